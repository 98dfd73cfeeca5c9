"""The cost model: what training a network takes in arithmetic, memory and time.

Arithmetic is counted. The rates are assumptions, rough to a factor of three, and give way to
measured seconds as soon as the ledger has some (plan.py); they order and split cohorts, they never decide a result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from raydensity import data, measuring_costs
from raydensity.cohort import can_be_compiled
from raydensity.compiled_shallow import MOST_INPUTS
from raydensity.dense import is_wide
from raydensity.evaluation import CHUNK
from raydensity.measures.chunks import measure_chunk
from raydensity.models.flops import Counted, count
from raydensity.models.mlp import hidden_units
from raydensity.pruning.at_initialization import scored_together
from raydensity.rooms import in_room, room_of
from raydensity.spec import (
    MLP,
    SGD,
    GlobalMagnitudePruning,
    LastEpoch,
    MagnitudePruning,
    NetworkSpec,
    NoPruning,
)
from raydensity.spec.sparsity import FORCE, GMP, LTH, Explicit, IterSNIP, Method, ProsPr, RigL, SynFlow
from raydensity.update_rules import initial_slots

# Arithmetic a second: of one GPU; of one core on stacks of dense networks, and on small ones one after the other.
GPU_FLOPS = 5e12
STACKED_FLOPS = 60e9
SINGLE_FLOPS = 20e9
# Convolutions on a core, a roofline: its peak, and seconds for each number that layers produce of an image. Steps of
# AlexNet, Conv-2 and ResNets of some width took 0.9 to 2.2 times as long, those of the narrowest ResNet 7 times.
PEAK_FLOPS = 100e9
PRODUCED_SECONDS = 4e-9
STEP_SECONDS = {"cpu": 4e-4, "gpu": 2e-3}  # what a step costs a cohort however few its networks

# Compiled steps (compiled.py) of one core: a pass forward and back for one image costs as much as this for each weight,
# and as COMPILED_WEIGHTS more; a network, besides, what making it and keeping its record takes.
COMPILED_SECONDS = 2.2e-10
COMPILED_WEIGHTS = 16
COMPILED_NETWORK_SECONDS = 2e-3
METHOD_FACTOR = 2
SCORE_SECONDS = 4e-8  # of a pass of the scores before training, for each parameter
COMPILED_EPOCH_SECONDS = 0.01  # for shuffling and gathering 50,000 images, which networks share
RECORD_BYTES = 20_000

# Memory, in numbers of four bytes.
STEP_NUMBERS = 2  # per parameter, that adaptive optimisers need on the way to a step
SCORE_NUMBERS = 24  # per parameter of the networks whose scores are computed together (ProsPr; others take less)
SORT_NUMBERS = 6  # per weight of the layer that is being ranked: what sorting takes beside the weights
MASK_NUMBERS = 0.25  # per weight, for which of them are pruned, or masked
PIXEL_NUMBERS = 2.25  # a pixel's byte, the number that the network sees, and the one of the batch before
MAP_COPIES = 8  # of a layer's output while it is measured: layers beside it, float64, and what a convolution reorders
CONTEXT = 500e6  # bytes of every process that uses a GPU, on that GPU

MAX_NETWORKS = 128  # in a cohort: beyond, a stack gains nothing and a lost cohort loses more
MOST_OF_ONE = 512  # that are made of one original, which another cohort would train again
MOST_NETWORKS = 4096  # in a cohort of compiled steps: beyond, files get no fewer in practice, and tables too large
TINY, MOST_ON_GPU = 10_000, 16_384  # parameters of a network that fills no GPU by the hundred; networks that may
LOSABLE = 120.0  # seconds of compiled steps in a cohort: what can be lost, since it is done before it is saved


@dataclass(frozen=True)
class Need:
    """What a cohort of like networks takes, if they train all their epochs: seconds and bytes, shared and of each.

    A cohort should have at least `smallest` networks, where there are as many: a smaller one costs as much. It should
    have at most `most`, and lose at most `losable` seconds.
    """

    seconds: float
    bytes: float
    shared_seconds: float = 0
    shared_bytes: float = 0
    smallest: int = 1
    checkpoint_bytes: float = 0  # of each network, while it trains
    most: int = MAX_NETWORKS
    losable: float = math.inf
    compiled: bool = False  # has passes compiled for a CPU core

    @property
    def largest(self) -> int:
        return max(self.smallest, int(min(self.most, self.losable / self.seconds)))

    def cohort_bytes(self, networks: int) -> float:
        return self.shared_bytes + max(networks, self.smallest) * self.bytes

    def cohort_seconds(self, networks: float) -> float:
        return self.shared_seconds + max(networks, self.smallest) * self.seconds

    def scaled(self, factor: float) -> Need:
        """The same with all its seconds multiplied."""
        return replace(self, seconds=factor * self.seconds, shared_seconds=factor * self.shared_seconds)


def need(spec: NetworkSpec, *, device: str) -> Need:
    """What a network takes on one core ("cpu") or one GPU ("gpu"), by counting.

    ValueError if its data set is unknown or cannot be preprocessed or measured so, its width leaves a layer empty, or
    its batch is larger than the training set.
    """
    known, training = data.describe(spec.dataset), spec.training
    data.check_preprocessing(known, spec.preprocessing, augmentation=spec.augmentation)
    measuring_costs.check(spec)
    if training.batch_size > known.fitted_size:
        raise ValueError(
            f"--set batch_size: {training.batch_size} is more than the {known.fitted_size} training images "
            f"of {known.name}"
        )
    counted = count(spec.dataset, spec.architecture)
    if device == "cpu" and can_be_compiled(spec, classes=known.logits, device=torch.device("cpu")):
        compiled = _compiled_need(spec, counted)
        if spec.compression is None:
            return compiled
        shared_seconds = compiled.shared_seconds + _original_seconds(spec, device)
        return replace(compiled, shared_seconds=shared_seconds, most=MOST_OF_ONE)
    dense = isinstance(spec.architecture, MLP)
    stacked = device == "gpu" or dense
    epochs = spec.refinement_epochs or spec.total_epochs
    steps = known.fitted_size // training.batch_size * epochs
    # A backward pass costs two forward passes; validation is evaluated once an epoch, and at every point of pruning.
    evaluations = 1 if isinstance(training.stopping, LastEpoch) else epochs
    evaluated = known.judged_size * (evaluations + pruning_points(spec, counted.weights))
    evaluated += known.fitted_size * epochs if spec.evaluates_training_images else 0
    room = room_of(spec)
    flops = count(spec.dataset, in_room(spec, room).architecture).flops if room else counted.flops
    rate = GPU_FLOPS if device == "gpu" else STACKED_FLOPS if dense else _convolving(counted)
    seconds = (flops * (3 * steps * training.batch_size + evaluated) + measuring_costs.flops(spec)) / rate
    own, shared = _memory(spec, counted, stacked=stacked)
    shared += CONTEXT if device == "gpu" else 0
    # The kept weights, the current ones, and the optimiser's state.
    checkpoint = 4 * counted.parameters * (2 + len(initial_slots(training.optimizer)))
    step_seconds = steps * STEP_SECONDS[device] + _original_seconds(spec, device)
    if not stacked:
        return Need(seconds + step_seconds, own, shared_bytes=shared, checkpoint_bytes=checkpoint)
    # On a CPU a stack of one is computed as two (cohort.py), but for networks that are worked off one by one.
    doubled = device == "cpu" and not is_wide(math.prod(known.input_shape), torch.device("cpu"))
    smallest = 2 if doubled else 1
    tiny = device == "gpu" and counted.parameters <= TINY
    most = MOST_ON_GPU if tiny else MAX_NETWORKS if spec.compression is None else MOST_OF_ONE
    shallow = device == "cpu" and _is_shallow(spec)
    return Need(seconds, own, step_seconds, shared, smallest, checkpoint, most, compiled=shallow)


def _convolving(counted: Counted) -> float:
    """Arithmetic a second of one core on convolutions: narrow layers move more numbers than they compute."""
    return counted.flops / (counted.flops / PEAK_FLOPS + counted.produced * PRODUCED_SECONDS)


def _is_shallow(spec: NetworkSpec) -> bool:
    """Whether dense networks like this one take the compiled passes for few inputs and one hidden layer."""
    architecture, known = spec.architecture, data.describe(spec.dataset)
    one_hidden = isinstance(architecture, MLP) and len(architecture.hidden) == 1 and known.logits > 1
    return one_hidden and math.prod(known.input_shape) <= MOST_INPUTS and spec.training.precision == "fp32"


def _original_seconds(spec: NetworkSpec, device: str) -> float:
    """Seconds of training the original, which the networks that are made of it share; 0 where nothing is removed."""
    return 0.0 if spec.compression is None else need(spec.original, device=device).cohort_seconds(1)


def _compiled_need(spec: NetworkSpec, counted: Counted) -> Need:
    """What a network of compiled steps takes: every weight that is not masked costs as much, wherever it is."""
    known, training = data.describe(spec.dataset), spec.training
    epochs = spec.refinement_epochs or spec.total_epochs
    steps = known.fitted_size // training.batch_size * epochs
    kept = _mean_weights(spec, counted.weights)
    evaluated = known.judged_size * (1 + pruning_points(spec, counted.weights))
    per_image = COMPILED_SECONDS * (kept + COMPILED_WEIGHTS)
    seconds = per_image * (steps * training.batch_size + evaluated / 3)
    seconds += COMPILED_NETWORK_SECONDS * (METHOD_FACTOR if spec.sparsity is not None else 1)
    seconds += SCORE_SECONDS * score_passes(spec) * counted.parameters
    seconds += measuring_costs.flops(spec) / SINGLE_FLOPS
    own = 4 * counted.parameters * 8 + 16 * CHUNK["compiled"] + 8 * 4 * epochs + RECORD_BYTES
    shared = known.train_size * (4 * math.prod(known.input_shape) + 8) * 3 + _scoring(spec, counted)
    checkpoint = 4 * counted.parameters * 4
    orders = COMPILED_EPOCH_SECONDS * epochs * known.fitted_size / 50_000
    return Need(
        seconds,
        own,
        orders,
        shared,
        checkpoint_bytes=checkpoint,
        most=MOST_NETWORKS,
        losable=LOSABLE,
        compiled=True,
    )


def score_passes(spec: NetworkSpec) -> int:
    """Passes forward and back that the scores of a method before training take."""
    sparsity = spec.sparsity
    if isinstance(sparsity, SynFlow):
        return sparsity.iterations
    if isinstance(sparsity, IterSNIP | FORCE):
        return sparsity.steps
    if isinstance(sparsity, ProsPr):
        return 2 * (sparsity.inner_steps + 1)  # differentiated through
    return {"snip": 1, "grasp": 2}.get(sparsity.name, 0) if sparsity else 0


def _scoring(spec: NetworkSpec, counted: Counted) -> float:
    """Bytes that the scores of a method before training take, beside the cohort."""
    if not score_passes(spec):
        return 0
    return 4 * SCORE_NUMBERS * counted.parameters * scored_together(counted.parameters)


def _mean_weights(spec: NetworkSpec, total: int) -> float:
    """Weights that a network has on average while it trains."""
    sparsity = spec.sparsity
    if sparsity is None:
        return total
    if isinstance(sparsity, Explicit):
        return sum(row.bit_count() for layer in sparsity.rows for row in layer)
    if isinstance(sparsity, GMP):
        return sparsity.nonzeros + (total - sparsity.nonzeros) / 4  # the mean of the cubic schedule
    if isinstance(sparsity, LTH):
        parts = range(sparsity.cycles)
        shares = ((sparsity.nonzeros / total) ** (cycle / (sparsity.cycles - 1)) for cycle in parts)
        return total * sum(shares) / sparsity.cycles
    return sparsity.nonzeros if isinstance(sparsity, Method) else total


def pruning_points(spec: NetworkSpec, weights: int) -> float:
    """At how many points a network is evaluated while it is pruned after training, at most."""
    if isinstance(spec.pruning, NoPruning):
        return 0
    if isinstance(spec.pruning, MagnitudePruning):
        return 1 / spec.pruning.step
    kept = spec.sparsity.nonzeros if isinstance(spec.sparsity, Method) else weights
    if isinstance(spec.sparsity, Explicit):
        kept = sum(row.bit_count() for layer in spec.sparsity.rows for row in layer)
    return min(spec.pruning.points, kept)


def check_sparsity(spec: NetworkSpec) -> None:
    """ValueError, in one line, where a method is to keep more weights than there are, or a mask does not fit."""
    counted, sparsity = count(spec.dataset, spec.architecture), spec.sparsity
    if isinstance(sparsity, Method) and sparsity.nonzeros > counted.weights:
        raise ValueError(
            f"--set nonzeros: {sparsity.nonzeros} is more than the {counted.weights} weights of "
            f"{spec.architecture.name} at width {spec.architecture.width:g}"
        )
    if isinstance(sparsity, Explicit):
        known, architecture = data.describe(spec.dataset), spec.architecture
        assert isinstance(architecture, MLP)
        units = list(hidden_units(architecture))
        sizes = [math.prod(known.input_shape), *units, known.logits]
        fits = len(sparsity.rows) == len(sizes) - 1 and all(
            len(rows) <= outputs and all(0 <= row < 2**inputs for row in rows)
            for rows, inputs, outputs in zip(sparsity.rows, sizes, sizes[1:], strict=False)
        )
        if not fits:
            raise ValueError(
                f"--set structure: {sparsity.structure} does not fit into a network of {units} hidden units; "
                "its layers are depth, their units width"
            )


def _masked(spec: NetworkSpec) -> float:
    """Numbers per parameter that a sparse network has beside a whole one while it trains."""
    if spec.sparsity is None and spec.compression is None:
        return 0
    during = isinstance(spec.sparsity, GMP | LTH | RigL)  # which compares magnitudes, and makes new masks
    rewound = isinstance(spec.sparsity, LTH)  # to weights that it keeps
    return 2 * MASK_NUMBERS + during * (1 + MASK_NUMBERS) + rewound


def _memory(spec: NetworkSpec, counted: Counted, *, stacked: bool) -> tuple[float, float]:
    """Bytes at the peak of a cohort, of each network and shared by all."""
    known, training = data.describe(spec.dataset), spec.training
    pixels, chunk = math.prod(known.input_shape), CHUNK["stacked" if stacked else "loop"]
    adaptive = not isinstance(training.optimizer, SGD)
    # Weights, kept weights, gradients, state; afterwards weights, a pruned copy and ranks. A loop keeps its gradients.
    masked, slots = _masked(spec), len(initial_slots(training.optimizer))
    in_training = counted.parameters * (3 + masked + slots + (STEP_NUMBERS if adaptive else 0))
    in_pruning = counted.parameters * (3 + MASK_NUMBERS + min(masked, 2 * MASK_NUMBERS) + (0 if stacked else 1))
    # Autograd keeps what layers and their activation functions produce, and a module's forward pass nearly as much for
    # a while; the passes of dense networks keep what layers produce.
    dense = isinstance(spec.architecture, MLP)
    passing = counted.produced * max(2 * training.batch_size, chunk if dense else 2 * chunk)
    images = PIXEL_NUMBERS * pixels * max(training.batch_size, chunk)
    order = 4 * known.fitted_size  # of an epoch, in int64, twice while it is stacked
    own = max(in_training, in_pruning) + max(order, images + (passing if stacked else 0))
    ranking = SORT_NUMBERS * counted.largest_layer
    if isinstance(spec.pruning, GlobalMagnitudePruning):
        ranking = (SORT_NUMBERS + 2) * counted.weights  # the magnitudes of all layers, and those put together
    maps = MAP_COPIES * measure_chunk(counted.largest_output) * counted.largest_output
    measuring = maps + measuring_costs.bytes_needed(spec) / 4
    # Measuring comes after training, but the allocator has not given back what many small maps took.
    shared = max(ranking, measuring + (0 if stacked else passing), _scoring(spec, counted) / 4 if stacked else 0)
    return 4 * own, 4 * shared + known.bytes
