"""Inception-v3 for ImageNet, of torchvision's blocks (Frivolous Units, specification b.1, b.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception

from raydensity.models.chain import Chain, Dropped, Step
from raydensity.models.layers import scaled
from raydensity.spec import InceptionV3

SMALLEST = 75  # pixels a side: of fewer nothing is left at the end
DROPPED = 0.2  # of the features that the last layer sees
VARIED_LAYER = "Mixed_5d"
UNSCALED = 192  # channels of the pooled branch of Mixed_6d: the published code forgot the width factor, its counts show

# Before the blocks: channels and further options of the convolutions.
STEM: dict[str, tuple[int, dict[str, int]]] = {
    "Conv2d_1a_3x3": (32, {"kernel_size": 3, "stride": 2}),
    "Conv2d_2a_3x3": (32, {"kernel_size": 3}),
    "Conv2d_2b_3x3": (64, {"kernel_size": 3, "padding": 1}),
    "Conv2d_3b_1x1": (80, {"kernel_size": 1}),
    "Conv2d_4a_3x3": (192, {"kernel_size": 3}),
}
# The blocks: torchvision's class and its options, the channels of the branches, and whether the input is one more.
BLOCKS: dict[str, tuple[Callable[..., nn.Module], dict[str, int], tuple[int, ...], bool]] = {
    "Mixed_5b": (inception.InceptionA, {"pool_features": 32}, (64, 64, 96, 32), False),
    "Mixed_5c": (inception.InceptionA, {"pool_features": 64}, (64, 64, 96, 64), False),
    "Mixed_5d": (inception.InceptionA, {"pool_features": 64}, (64, 64, 96, 64), False),
    "Mixed_6a": (inception.InceptionB, {}, (384, 96), True),
    "Mixed_6b": (inception.InceptionC, {"channels_7x7": 128}, (192, 192, 192, 192), False),
    "Mixed_6c": (inception.InceptionC, {"channels_7x7": 160}, (192, 192, 192, 192), False),
    "Mixed_6d": (inception.InceptionC, {"channels_7x7": 160}, (192, 192, 192, 192), False),
    "Mixed_6e": (inception.InceptionC, {"channels_7x7": 192}, (192, 192, 192, 192), False),
    "Mixed_7a": (inception.InceptionD, {}, (320, 192), True),
    "Mixed_7b": (inception.InceptionE, {}, (320, 384, 384, 384, 384, 192), False),
    "Mixed_7c": (inception.InceptionE, {}, (320, 384, 384, 384, 384, 192), False),
}


class Convolution(nn.Module):
    """Convolution, batch norm without a scale, ReLU: in the place of torchvision's BasicConv2d."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.0003)  # TensorFlow's 0.9997
        self.bn.register_parameter("weight", None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def convolutions(width: float, layer: str, *, nominal: int, actual: int) -> Callable[..., Convolution]:
    """Makes the convolutions of a block at a width factor.

    At width 1 the block sees `nominal` channels, which no convolution within it has; here it sees `actual` ones.
    """

    def make(in_channels: int, out_channels: int, **options: Any) -> Convolution:
        seen = actual if in_channels == nominal else scaled(in_channels, width, layer)
        return Convolution(seen, scaled(out_channels, width, layer), **options)

    return make


class InceptionNetwork(Chain):
    """Five convolutions, eleven blocks, mean over positions, fc; modules and hidden layers named as torchvision's.

    The auxiliary head is there to be counted. It has no part in the loss: the published code does not train on
    ImageNet.
    """

    def __init__(self, channels: int, *, widths: dict[str, float], classes: int) -> None:
        super().__init__()
        for name, (units, options) in STEM.items():
            units = scaled(units, widths[name], f"{name} of inception_v3")
            self.add_module(name, Convolution(channels, units, **options))
            channels = units
        nominal = 192
        for name, (block, options, branches, keeps) in BLOCKS.items():
            width, layer = widths[name], f"{name} of inception_v3"
            make = convolutions(width, layer, nominal=nominal, actual=channels)
            self.add_module(name, block(nominal, conv_block=make, **options))
            outputs = [scaled(units, width, layer) for units in branches]
            if name == "Mixed_6d":
                self.get_submodule(name).branch_pool = Convolution(channels, UNSCALED, kernel_size=1)
                outputs[-1] = UNSCALED
            channels = sum(outputs) + (channels if keeps else 0)
            nominal = sum(branches) + (nominal if keeps else 0)
            if name == "Mixed_6e":
                make = convolutions(width, "AuxLogits of inception_v3", nominal=nominal, actual=channels)
                self.AuxLogits = inception.InceptionAux(nominal, classes, conv_block=make)
                self.AuxLogits.fc = nn.Linear(self.AuxLogits.conv1.conv.out_channels, classes)
        self.fc = nn.Linear(channels, classes)
        self.dropped = {"Mixed_7c": Dropped(channels, DROPPED)}  # its mean over positions, which is the same

    def steps(self) -> dict[str, Step]:
        """The convolutions and the blocks; max-pools belong to the layer after them, branches are within a step."""

        def pooled(layer: nn.Module) -> Step:
            return lambda x: layer(F.max_pool2d(x, 3, stride=2))

        steps: dict[str, Step] = {name: self.get_submodule(name) for name in (*STEM, *BLOCKS)}
        for name in ("Conv2d_3b_1x1", "Mixed_5b"):
            steps[name] = pooled(self.get_submodule(name))
        return {**steps, "logits": lambda x: self.fc(x.mean(dim=(2, 3)))}

    def ablated_layers(self) -> list[str]:
        """The last layers at three resolutions, of index 7, 13 and 15 (specification b.5)."""
        return ["Mixed_5d", "Mixed_7a", "Mixed_7c"]


def build(architecture: InceptionV3, *, input_shape: tuple[int, int, int], classes: int) -> InceptionNetwork:
    """The network at its width, which applies to all layers or to one. ValueError for images that are too small."""
    if min(input_shape[1:]) < SMALLEST:
        raise ValueError(
            f"architecture: inception_v3 needs images of at least {SMALLEST} x {SMALLEST} pixels, and these have "
            f"{input_shape[1]} x {input_shape[2]}"
        )
    everywhere = architecture.width if architecture.varied == "all" else 1.0
    widths = dict.fromkeys((*STEM, *BLOCKS), everywhere) | {VARIED_LAYER: architecture.width}
    return InceptionNetwork(input_shape[0], widths=widths, classes=classes)
