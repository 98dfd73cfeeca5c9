"""The panels of the paper's figures: which networks belong to each of their curves. Data alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.frivolous.gain import WIDTHS
from raydensity.spec.datasets import EVEN_TEACHER

ALL = "all"  # layers: the whole network
VARIED_LAYER = "Mixed_5d"  # the one layer that Inception-v3-layer varies

Conditions = Mapping[str, Any]


@dataclass(frozen=True)
class Curve:
    """A line of a panel: what its networks have, by column, beside what all networks of the panel have.

    `published` names the paper's curve in `published.py`, `widths` are those that the paper has.
    """

    name: str
    has: Conditions = field(default_factory=dict)
    published: str = ""
    widths: tuple[float, ...] = WIDTHS


@dataclass(frozen=True)
class Panel:
    """A panel of a figure. `layer` may be among the conditions (`ALL` otherwise); with `by_layer` each is a curve.

    Where a curve has networks with several levels of the `selected` columns at one width, those with the best
    validation accuracy are shown. `seeds` is how many networks a point of the paper's has.
    """

    name: str
    title: str
    curves: tuple[Curve, ...]
    has: Conditions = field(default_factory=dict)
    by_layer: bool = False
    selected: tuple[str, ...] = ("learning_rate",)
    seeds: int = 3


MOMENTUM = {"optimizer": "sgd", "momentum": 0.9}
NO_REGULARIZER = {"augmentation": False, "dropout": 0.0, "weight_decay": 0.0}
ALL_REGULARIZERS = {"augmentation": True, "dropout": 0.5, "weight_decay": 1e-3}
TRUE_LABELS, RANDOM_LABELS = {"random_labels": False}, {"random_labels": True}
USUAL_BATCH = {"batch_size": 128}

# What --set may vary, and the paper does not (specification b.4).
_DRAWN = {"initializer_factor": 1.0}
_ALEXNET = {"architecture": "alexnet", **_DRAWN}
_PLAIN = {**_ALEXNET, **TRUE_LABELS, **NO_REGULARIZER}
_RELU, _GLOROT = {"activation": "relu"}, {"initializer": "glorot_normal"}
_DESCENT = {**MOMENTUM, "learning_rate": 0.01}  # of AlexNet
_USUAL = {**_DESCENT, **_RELU, **_GLOROT, **USUAL_BATCH}
_LECUN = {"initializer": "lecun_normal", **_DRAWN}  # of the networks with batch norm
_RESNET56 = {"architecture": "resnet56", **_LECUN, **MOMENTUM, "learning_rate": 0.1, **USUAL_BATCH}
_RESNET56_TRUE = {**_RESNET56, **TRUE_LABELS, "augmentation": True, "weight_decay": 2e-4}
_RESNET56_RANDOM = {**_RESNET56, **RANDOM_LABELS, "augmentation": False, "weight_decay": 0.0}
_RESNET18 = {"architecture": "resnet18", **_LECUN, **MOMENTUM, "rate_of_batch": True, "weight_decay": 1e-4}
_RESNET18 |= TRUE_LABELS
_INCEPTIONS = {"architecture": "inception_v3", **_LECUN, "optimizer": "rmsprop", "learning_rate": 0.045, **TRUE_LABELS}
_INCEPTIONS |= {"batch_size": 256, "weight_decay": 4e-5}
_INCEPTION = {**_INCEPTIONS, "varied": "all"}
_INCEPTION_LAYER = {**_INCEPTIONS, "varied": "layer"}
_MLP = {"architecture": "mlp", "hidden": "128", "dataset": "teacher", **TRUE_LABELS, **USUAL_BATCH}
_MLP |= {"initializer": "small_normal"}
_THOUSAND = {"samples": 1000}
_ANY_START = ("learning_rate", "initializer_factor")  # the paper took the best of both

NORMAL = (
    Curve("Glorot", {"initializer": "glorot_normal"}, "alexnet"),
    Curve("He", {"initializer": "he_normal"}, "alexnet_he"),
    Curve("LeCun", {"initializer": "lecun_normal"}, "alexnet_lecun"),
)
_FACTORS = {1e-2: "0.01", 1.0: "1", 1e2: "100", 1e4: "10,000", 1e6: "1,000,000"}
_SAMPLES = (1_000, 10_000, 100_000)
_OPTIMIZERS = (
    ("momentum", MOMENTUM),
    ("SGD", {"optimizer": "sgd", "momentum": 0.0}),
    ("Adam", {"optimizer": "adam", "learning_rate": 1e-3}),
    ("RMSProp", {"optimizer": "rmsprop"}),
)
_TENTH = {"learning_rate": 1e-3}  # of AlexNet's rate with momentum
_ACTIVATIONS = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "selu": "SELU",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
}


def _taught(inputs: int) -> Conditions:
    """The teacher's data with so many inputs."""
    return {"inputs": inputs, "teacher": EVEN_TEACHER.get(inputs, 0)}


def _mlp_panels(inputs: int, short: str, words: str) -> list[Panel]:
    """The appendix panels of the MLPs with so many inputs."""
    own = {**_MLP, **_taught(inputs)}
    digitised = {(10, 1.0): "mlp_10_c1", (10_000, 1e-2): "mlp_10k_c0.01", (10_000, 1.0): "mlp_10k_c1"}
    return [
        Panel(
            f"mlp_{short}_data",
            f"MLPs, {words} inputs: number of training samples",
            tuple(Curve(f"{n:,} samples", {"samples": n}, f"mlp_{short}_n{n}") for n in _SAMPLES),
            {**own, **MOMENTUM},
            selected=_ANY_START,
        ),
        Panel(
            f"mlp_{short}_optimizers",
            f"MLPs, {words} inputs: optimiser",
            tuple(Curve(name, has) for name, has in _OPTIMIZERS),
            {**own, **_THOUSAND},
            selected=_ANY_START,
        ),
        Panel(
            f"mlp_{short}_initialization",
            f"MLPs, {words} inputs: factor on the initial weights",
            tuple(
                Curve(f"factor {written}", {"initializer_factor": factor}, digitised.get((inputs, factor), ""))
                for factor, written in _FACTORS.items()
            ),
            {**own, **_THOUSAND, **MOMENTUM},
        ),
    ]


PANELS = (
    Panel(
        "fig_3ab",
        "Figure 3a, b. ImageNet",
        (
            Curve("ResNet18", {**_RESNET18, "largest_batch": True}, "resnet18"),
            Curve("Inception-v3", _INCEPTION, "inception_v3", WIDTHS[:3]),
            # Of this one the paper shows the layer whose width varies: its gains are those of the layer's own panel.
            Curve("Inception-v3-layer", {**_INCEPTION_LAYER, "layer": VARIED_LAYER}, "inception_v3_layer"),
        ),
        seeds=1,
    ),
    Panel(
        "fig_3cd",
        "Figure 3c, d. Layers of ResNet18",
        (Curve(""),),
        {**_RESNET18, "largest_batch": True},
        by_layer=True,
        seeds=1,
    ),
    Panel(
        "fig_4a",
        "Figure 4a. Architectures, true and random labels",
        (
            Curve(
                "AlexNet",
                {**_ALEXNET, **_USUAL, **TRUE_LABELS, **ALL_REGULARIZERS},
                "alexnet_regularised",
            ),
            Curve(
                "AlexNet, random labels",
                {**_ALEXNET, **_USUAL, **RANDOM_LABELS, **NO_REGULARIZER},
                "alexnet_random_labels",
            ),
            Curve("ResNet56", _RESNET56_TRUE, "resnet56"),
            Curve("ResNet56, random labels", _RESNET56_RANDOM, "resnet56_random_labels"),
        ),
        seeds=2,
    ),
    Panel(
        "fig_4b",
        "Figure 4b. AlexNet: regularisers",
        (
            Curve("none", NO_REGULARIZER, "alexnet"),
            Curve("augmentation", {**NO_REGULARIZER, "augmentation": True}),
            Curve("dropout", {**NO_REGULARIZER, "dropout": 0.5}),
            Curve("weight decay", {**NO_REGULARIZER, "weight_decay": 1e-3}),
            Curve("all three", ALL_REGULARIZERS, "alexnet_regularised"),
        ),
        {**_ALEXNET, **TRUE_LABELS, **_USUAL},
    ),
    Panel(
        "fig_4c",
        "Figure 4c. AlexNet: initialisers",
        NORMAL,
        {**_PLAIN, **_DESCENT, **_RELU, **USUAL_BATCH},
    ),
    Panel(
        "fig_4d",
        "Figure 4d. MLPs: inputs and factor on the initial weights",
        (
            Curve("10 inputs, factor 0.01", {**_taught(10), "initializer_factor": 1e-2}),
            Curve("10 inputs, factor 1", {**_taught(10), "initializer_factor": 1.0}, "mlp_10_c1"),
            Curve("10,000 inputs, factor 0.01", {**_taught(10_000), "initializer_factor": 1e-2}, "mlp_10k_c0.01"),
            Curve("10,000 inputs, factor 1", {**_taught(10_000), "initializer_factor": 1.0}, "mlp_10k_c1"),
        ),
        {**_MLP, **_THOUSAND, **MOMENTUM},
    ),
    Panel(
        "uniform_initializers",
        "AlexNet: uniform initialisers",
        tuple(Curve(c.name, {"initializer": c.has["initializer"].replace("normal", "uniform")}) for c in NORMAL),
        {**_PLAIN, **_DESCENT, **_RELU, **USUAL_BATCH},
    ),
    Panel(
        "conv2",
        "AlexNet: initialisers, the second convolution alone",
        tuple(Curve(curve.name, curve.has) for curve in NORMAL),
        {**_PLAIN, **_DESCENT, **_RELU, **USUAL_BATCH, "layer": "conv2"},
    ),
    Panel(
        "learning_rate_and_batch",
        "AlexNet: factor on learning rate and batch size",
        (
            Curve("factor 1/4", {"batch_size": 32, "learning_rate": 0.0025}),
            Curve("factor 1", {"batch_size": 128, "learning_rate": 0.01}, "alexnet"),
            Curve("factor 4", {"batch_size": 512, "learning_rate": 0.04}),
        ),
        {**_PLAIN, **MOMENTUM, **_RELU, **_GLOROT},
        selected=(),
        seeds=2,
    ),
    Panel(
        "activations",
        "AlexNet: activations",
        tuple(
            Curve(words, {"activation": name}, "alexnet" if name == "relu" else "")
            for name, words in _ACTIVATIONS.items()
        ),
        {**_PLAIN, **_DESCENT, **_GLOROT, **USUAL_BATCH},
    ),
    Panel(
        "optimizers",
        "AlexNet: optimisers",
        (
            Curve("momentum", _DESCENT, "alexnet"),
            Curve("SGD", {**_DESCENT, "momentum": 0.0}),
            Curve("Adam", {"optimizer": "adam", "learning_rate": 1e-3}),
            Curve("RMSProp", {"optimizer": "rmsprop", **_TENTH}),
            Curve("Adagrad", {"optimizer": "adagrad", **_TENTH}),
            Curve("proximal Adagrad", {"optimizer": "proximal_adagrad", **_TENTH}),
            Curve("FTRL", {"optimizer": "ftrl", **_TENTH}),
        ),
        {**_PLAIN, **_RELU, **_GLOROT, **USUAL_BATCH},
    ),
    Panel(
        "resnet56_layers",
        "Layers of ResNet56",
        (Curve(""),),
        _RESNET56_TRUE,
        by_layer=True,
        seeds=2,
    ),
    *_mlp_panels(10, "10", "10"),
    *_mlp_panels(10_000, "10k", "10,000"),
    Panel(
        "resnet18_batches",
        "ResNet18: batch size",
        (
            Curve("largest batch", {"largest_batch": True}, "resnet18"),
            *(Curve(f"batch {size}", {"batch_size": size}) for size in (4096, 2048, 1024)),
        ),
        _RESNET18,
        seeds=1,
    ),
    Panel(
        "inception_v3_layers",
        "Layers of Inception-v3",
        (Curve("", widths=WIDTHS[:3]),),
        _INCEPTION,
        by_layer=True,
        seeds=1,
    ),
    Panel(
        "inception_v3_layer_layers",
        "Layers of Inception-v3-layer",
        (Curve(""),),
        _INCEPTION_LAYER,
        by_layer=True,
        seeds=1,
    ),
)
# What belongs to no panel of the paper's.
OTHER = Panel("other", "Other networks", (Curve(""),), selected=())


def fitting(frame: pd.DataFrame, has: Conditions) -> pd.DataFrame:
    """The rows that have all of these levels."""
    kept = pd.Series(True, index=frame.index)
    for column, level in has.items():
        kept &= frame[column] == level
    return frame[kept]
