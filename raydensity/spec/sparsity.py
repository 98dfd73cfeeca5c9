"""How a network becomes sparse: a mask that is given, or a method that finds one. Options alone, no computation.

`nonzeros` is how many weights (kernels, no biases) a method keeps of the whole network. `published` reproduces what the
code of "Sparsest Models Elude Pruning" does otherwise than the method says; each class says what that is. `shuffled`, a
control, permutes the mask within each layer before training.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen

Count = Annotated[int, Field(ge=1)]


class Method(Frozen):
    """What all methods share."""

    nonzeros: Count
    published: bool = False


class AtInitialization(Method):
    """A mask that is found before training and kept."""

    shuffled: bool = False


class Explicit(Frozen):
    """A given mask of a dense network, such as one of the combinatorial search.

    `rows` has, layer by layer, for each of the first units of that layer the bits of the inputs that it keeps (bit j:
    input j); units beyond have none.
    """

    name: Literal["explicit"] = "explicit"
    rows: tuple[tuple[int, ...], ...]

    @property
    def structure(self) -> str:
        """The hidden units that have weights, such as 3x2x2."""
        return "x".join(str(len(layer)) for layer in self.rows[:-1])


class Units(Frozen):
    """The first `kept` units of each hidden layer of a dense network, which start as those of a network without others.

    A narrower network in the room of a wider one: networks of many shapes can then train together.
    """

    name: Literal["units"] = "units"
    kept: tuple[Count, ...]


class Random(AtInitialization):
    """Weights kept at random, over the whole network or by a share of each layer; a control.

    `erk` is Erdős–Rényi-Kernel: a layer's share in proportion to (n_in + n_out) / (n_in n_out).
    """

    name: Literal["random"] = "random"
    distribution: Literal["global", "uniform", "erk"] = "global"


class SNIP(AtInitialization):
    """One batch; keep the largest |weight times gradient| (Lee et al. 2019).

    Published: one weight fewer where floating point says so. (That code also starts from Xavier-normal weights where
    they are drawn, which is the spec's `initializer`.)
    """

    name: Literal["snip"] = "snip"


class GraSP(AtInitialization):
    """Remove the weights whose removal increases the gradient flow most (Wang et al. 2020).

    Published: one weight more where floating point says so, and weights as SNIP's.
    """

    name: Literal["grasp"] = "grasp"
    samples_per_class: Count = 25
    temperature: float = Field(default=200.0, gt=0)


class SynFlow(AtInitialization):
    """Synaptic flow, conserved, without data (Tanaka et al. 2020).

    Published: keeps one weight fewer than asked; steps are cut off, not rounded.
    """

    name: Literal["synflow"] = "synflow"
    iterations: Count = 100


class IterSNIP(AtInitialization):
    """SNIP in steps, what is removed stays removed (de Jorge et al. 2021). Published: as FORCE."""

    name: Literal["iter_snip"] = "iter_snip"
    steps: Count = 10


class FORCE(AtInitialization):
    """SNIP in steps, what is removed may come back (de Jorge et al. 2021).

    Published: keeps one weight fewer than asked, or two where floating point says so; steps are cut off, not rounded.
    """

    name: Literal["force"] = "force"
    steps: Count = 10


class ProsPr(AtInitialization):
    """Meta-gradient by the mask through the first steps of training (Alizadeh et al. 2022).

    Published: the first step's gradient counts as a constant; one weight more where floating point says so; biases of
    the third layer stay in networks of width 3 (`masks.spare_biases`).
    """

    name: Literal["prospr"] = "prospr"
    inner_steps: Count = 3


class GMP(Method):
    """Gradual magnitude pruning over the whole training, on a cubic schedule (Zhu and Gupta 2018).

    Published: keeps two weights fewer than asked.
    """

    name: Literal["gmp"] = "gmp"
    events: Annotated[int, Field(ge=2)] = 200


class LTH(Method):
    """Lottery tickets: train, prune by magnitude, rewind to the weights after `rewind_epoch` epochs, `cycles` times.

    Frankle and Carbin 2019; rewound to a later epoch than 0, training goes on from there, with its schedule (Frankle et
    al. 2020). Published: keeps one weight fewer than asked.
    """

    name: Literal["lth"] = "lth"
    cycles: Annotated[int, Field(ge=2)] = 5
    rewind_epoch: int = Field(default=0, ge=0)


class RigL(Method):
    """From a random mask, drop the smallest weights and grow those with the largest gradients (Evci et al. 2020).

    `drop` of each layer's weights at first, falling to none as a cosine until `end` of the steps, every `interval`
    steps, which themselves do not train. Published: each layer's zeros are rounded down.
    """

    name: Literal["rigl"] = "rigl"
    distribution: Literal["erk", "uniform"] = "erk"
    interval: Count = 100
    drop: float = Field(default=0.3, gt=0, le=1)
    end: float = Field(default=0.75, gt=0, le=1)


AnyMethod = Random | SNIP | GraSP | SynFlow | IterSNIP | FORCE | ProsPr | GMP | LTH | RigL
Sparsity = Annotated[Explicit | Units | AnyMethod, Field(discriminator="name")]
METHODS = ("random", "snip", "grasp", "synflow", "iter_snip", "force", "prospr", "gmp", "lth", "rigl")
