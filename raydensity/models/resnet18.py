"""ResNet18 for ImageNet, of torchvision's blocks (Frivolous Units, specification b.1, b.2)."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock

from raydensity.models.chain import Chain, Step, Wiring
from raydensity.models.layers import scaled
from raydensity.models.resnet import residual_wiring
from raydensity.spec import ResNet18

NAMES = ("conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1")  # of the modules of a block

norm_layer = partial(nn.BatchNorm2d, momentum=0.003)  # TensorFlow's 0.997


def stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Two blocks, of which the first projects its shortcut, as in the published counts also where no shape changes."""
    shortcut = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), norm_layer(out_channels)
    )
    first = BasicBlock(in_channels, out_channels, stride, shortcut, norm_layer=norm_layer)
    return nn.Sequential(first, BasicBlock(out_channels, out_channels, norm_layer=norm_layer))


class ResNet18Network(Chain):
    """conv - batch norm - ReLU - max-pool - block1 - ... - block4 - mean over positions - fc; modules named so."""

    def __init__(self, channels: int, *, filters: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(filters)
        self.layer1 = stage(filters, filters, 1)
        self.layer2 = stage(filters, 2 * filters, 2)
        self.layer3 = stage(2 * filters, 4 * filters, 2)
        self.layer4 = stage(4 * filters, 8 * filters, 2)
        self.fc = nn.Linear(8 * filters, classes)

    def steps(self) -> dict[str, Step]:
        """The first convolution and the four stages, which the paper calls blocks."""
        return {
            "conv": lambda x: F.relu(self.bn1(self.conv1(x))),
            "block1": lambda x: self.layer1(F.max_pool2d(x, 3, stride=2, padding=1)),
            "block2": self.layer2,
            "block3": self.layer3,
            "block4": self.layer4,
            "logits": lambda x: self.fc(x.mean(dim=(2, 3))),
        }

    def wiring(self) -> list[Wiring]:
        """Both blocks of a stage add to one stream."""
        blocks = [(f"block{n}", f"layer{n}.{block}", block == 0) for n in range(1, 5) for block in range(2)]
        return residual_wiring(Wiring(["conv"], ["conv1", "bn1"]), blocks, "fc", NAMES)


def build(architecture: ResNet18, *, input_shape: tuple[int, int, int], classes: int) -> ResNet18Network:
    """The network at its width: floor(64s) filters in the first stage, doubled in each of the others."""
    return ResNet18Network(input_shape[0], filters=scaled(64, architecture.width, "conv of resnet18"), classes=classes)
