"""Conv-2: two 3x3 convolutions, a max-pool, two dense layers (density paper, section 3.1)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import nn

from raydensity.models.chain import Chain, Step, Wiring
from raydensity.models.layers import UnsharedConv2d, scaled
from raydensity.spec import Conv2


class Conv2Network(Chain):
    """conv1 - ReLU - conv2 - ReLU - max-pool 2x2 - fc1 - ReLU - fc2 - ReLU - proj; convolutions keep the size."""

    def __init__(
        self, input_shape: tuple[int, int, int], *, filters: int, units: int, classes: int, unshared: bool
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        if unshared:
            self.conv1: nn.Module = UnsharedConv2d(channels, filters, height=height, width=width)
            self.conv2: nn.Module = UnsharedConv2d(filters, filters, height=height, width=width)
        else:
            self.conv1 = nn.Conv2d(channels, filters, 3, padding=1)
            self.conv2 = nn.Conv2d(filters, filters, 3, padding=1)
        self.fc1 = nn.Linear(filters * (height // 2) * (width // 2), units)
        self.fc2 = nn.Linear(units, units)
        self.proj = nn.Linear(units, classes)

    def steps(self) -> dict[str, Step]:
        """The max-pool belongs to fc1."""
        return {
            "conv1": lambda x: F.relu(self.conv1(x)),
            "conv2": lambda x: F.relu(self.conv2(x)),
            "fc1": lambda x: F.relu(self.fc1(F.max_pool2d(x, 2).flatten(1))),
            "fc2": lambda x: F.relu(self.fc2(x)),
            "logits": self.proj,
        }

    def wiring(self) -> list[Wiring]:
        """Each layer is seen by the next; fc1 sees a filter of conv2 at all pooled positions."""
        names = [name for name, _ in self.named_children()]
        return [Wiring([layer], [layer], {following: None}) for layer, following in pairwise(names)]


def build(architecture: Conv2, *, input_shape: tuple[int, int, int], classes: int) -> Conv2Network:
    """The network at its width: 64s filters, 256s units."""
    return Conv2Network(
        input_shape,
        filters=scaled(64, architecture.width, "conv1 of conv2"),
        units=scaled(256, architecture.width, "fc1 of conv2"),
        classes=classes,
        unshared=architecture.unshared,
    )
