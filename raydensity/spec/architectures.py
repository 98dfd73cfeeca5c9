"""Architectures, each with a width factor."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from raydensity.spec.frozen import Frozen

Activation = Literal["relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh"]

# The batches that fitted the machine of Frivolous Units, by width (specification b.4).
RESNET18_LARGEST_BATCH = {0.25: 8192, 0.5: 4096, 1.0: 3072, 2.0: 1024, 4.0: 512}
# Its learning rate, for each so many images of a batch (docs/fidelity.md).
RESNET18_RATE, RESNET18_RATE_IMAGES = 0.128, 256


class MLP(Frozen):
    """Dense network, by default LeNet-300-100 (density paper, section 3.1)."""

    name: Literal["mlp"] = "mlp"
    width: float = Field(gt=0)
    hidden: Annotated[tuple[int, ...], Field(min_length=1)] = (300, 100)


class Conv2(Frozen):
    """Two 3x3 convolutions, a max-pool and two dense layers (density paper, section 3.1).

    `unshared` gives each position its own kernel (a locally connected layer), which Table 1's counts imply.
    """

    name: Literal["conv2"] = "conv2"
    width: float = Field(gt=0)
    unshared: bool = False


class ResNet(Frozen):
    """First convolution and three residual blocks with batch norm (density paper, section 3.1).

    Stages have 16s, 32s and 64s filters; `constant_filters` gives all of them 16s, as the paper's text says.
    `unshared` applies to the first convolution only.
    """

    name: Literal["resnet"] = "resnet"
    width: float = Field(gt=0)
    unshared: bool = False
    constant_filters: bool = False


class AlexNet(Frozen):
    """AlexNet for CIFAR-10: two 5x5 convolutions, each with max-pool and local response normalisation, and two dense
    layers (Frivolous Units, specification b.2). `dropout` is the share of units of the dense layers that are dropped.
    """

    name: Literal["alexnet"] = "alexnet"
    width: float = Field(gt=0)
    activation: Activation = "relu"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class ResNet56(Frozen):
    """ResNet56 for CIFAR-10: three stages of nine residual blocks (Frivolous Units, specification b.2)."""

    name: Literal["resnet56"] = "resnet56"
    width: float = Field(gt=0)


class ResNet18(Frozen):
    """ResNet18 for ImageNet: four stages of two residual blocks (Frivolous Units, specification b.2)."""

    name: Literal["resnet18"] = "resnet18"
    width: float = Field(gt=0)


class InceptionV3(Frozen):
    """Inception-v3 for ImageNet (Frivolous Units, specification b.2).

    `varied` says what the width factor applies to: all layers, or one only, the last of the 35x35 blocks
    (Inception-v3-layer).
    """

    name: Literal["inception_v3"] = "inception_v3"
    width: float = Field(gt=0)
    varied: Literal["all", "layer"] = "all"


Architecture = Annotated[
    MLP | Conv2 | ResNet | AlexNet | ResNet56 | ResNet18 | InceptionV3, Field(discriminator="name")
]
