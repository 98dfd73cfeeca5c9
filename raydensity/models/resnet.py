"""ResNet of three residual blocks with batch norm (density paper, section 3.1; widths as its Table 1 implies)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from raydensity.models.chain import Chain, Step, Wiring
from raydensity.models.layers import UnsharedConv2d, scaled
from raydensity.spec import ResNet


class Block(nn.Module):
    """Two 3x3 convolutions, each followed by batch norm; a 1x1 projection where the shape changes, or where asked for.

    `momentum` is the weight of a new batch in the statistics of batch norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, *, projects: bool = False, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels, momentum=momentum)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels, momentum=momentum)
        self.projects = projects or stride != 1 or in_channels != out_channels
        if self.projects:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(out_channels, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        return F.relu(out + (self.shortcut_norm(self.shortcut(x)) if self.projects else x))


NAMES = ("conv1", "norm1", "conv2", "norm2", "shortcut", "shortcut_norm")


def residual_wiring(
    first: Wiring, blocks: Sequence[tuple[str, str, bool]], last: str, names: Sequence[str] = NAMES
) -> list[Wiring]:
    """The streams of a residual network: a block adds to what it sees, or where it projects begins another stream.

    `first` is the wiring of the layer before the blocks, `blocks` are the hidden layer of each, its name, and whether
    it projects; `last` is the dense layer after them, and `names` are those of the modules of a block.
    """
    streams = [first]
    for layer, block, projects in blocks:
        conv1, norm1, conv2, norm2, shortcut, shortcut_norm = (f"{block}.{name}" for name in names)
        streams[-1].consumers[conv1] = norm1
        if projects:
            streams[-1].consumers[shortcut] = shortcut_norm
            streams.append(Wiring([layer], [shortcut, shortcut_norm]))
        else:
            streams[-1].accumulates = True
            if layer not in streams[-1].layers:
                streams[-1].layers.append(layer)
        streams[-1].producers += [conv2, norm2]
    streams[-1].consumers[last] = None
    return streams


class ResidualNetwork(Chain):
    """conv - batch norm - ReLU - block1 - block2 - block3 - mean over positions - proj; strides 1, 2, 2."""

    def __init__(
        self, input_shape: tuple[int, int, int], *, filters: tuple[int, int, int], classes: int, unshared: bool
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        first = filters[0]
        if unshared:
            self.conv: nn.Module = UnsharedConv2d(channels, first, height=height, width=width, bias=False)
        else:
            self.conv = nn.Conv2d(channels, first, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(first)
        self.block1 = Block(first, filters[0], 1)
        self.block2 = Block(filters[0], filters[1], 2)
        self.block3 = Block(filters[1], filters[2], 2)
        self.proj = nn.Linear(filters[2], classes)

    def steps(self) -> dict[str, Step]:
        """The first convolution and the blocks; the mean over positions belongs to the logits."""
        return {
            "conv": lambda x: F.relu(self.norm(self.conv(x))),
            "block1": self.block1,
            "block2": self.block2,
            "block3": self.block3,
            "logits": lambda x: self.proj(x.mean(dim=(2, 3))),
        }

    def wiring(self) -> list[Wiring]:
        """Where the first block does not project it shares the units of the first convolution."""
        names = ("block1", "block2", "block3")
        blocks = [(name, name, getattr(self, name).projects) for name in names]
        return residual_wiring(Wiring(["conv"], ["conv", "norm"]), blocks, "proj")


def build(architecture: ResNet, *, input_shape: tuple[int, int, int], classes: int) -> ResidualNetwork:
    """The network at its width: stages of 16s, 32s and 64s filters, or 16s in all with `constant_filters`."""
    defaults = (16, 16, 16) if architecture.constant_filters else (16, 32, 64)
    first, second, third = (
        scaled(units, architecture.width, f"block{n} of resnet") for n, units in enumerate(defaults, start=1)
    )
    return ResidualNetwork(input_shape, filters=(first, second, third), classes=classes, unshared=architecture.unshared)
