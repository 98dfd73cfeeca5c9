"""ResNet56 for CIFAR-10 (Frivolous Units, specification b.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from raydensity.models.chain import Chain, Step, Wiring
from raydensity.models.layers import scaled
from raydensity.models.resnet import Block, residual_wiring
from raydensity.spec import ResNet56

MOMENTUM = 0.003  # of batch norm; TensorFlow's 0.997
BLOCKS = 9  # in each of the three stages


def stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Nine blocks, of which the first projects its shortcut whether or not the shape changes, as the published code."""
    first = Block(in_channels, out_channels, stride, projects=True, momentum=MOMENTUM)
    return nn.Sequential(first, *[Block(out_channels, out_channels, 1, momentum=MOMENTUM) for _ in range(1, BLOCKS)])


class ResNet56Network(Chain):
    """conv - batch norm - ReLU - stage1 - stage2 - stage3 - mean over positions - proj; strides 1, 2, 2."""

    def __init__(self, channels: int, *, filters: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(filters, momentum=MOMENTUM)
        self.stage1 = stage(filters, filters, 1)
        self.stage2 = stage(filters, 2 * filters, 2)
        self.stage3 = stage(2 * filters, 4 * filters, 2)
        self.proj = nn.Linear(4 * filters, classes)

    def steps(self) -> dict[str, Step]:
        """The first convolution and the stages; the mean over positions belongs to the logits."""
        return {
            "conv": lambda x: F.relu(self.norm(self.conv(x))),
            "stage1": self.stage1,
            "stage2": self.stage2,
            "stage3": self.stage3,
            "logits": lambda x: self.proj(x.mean(dim=(2, 3))),
        }

    def wiring(self) -> list[Wiring]:
        """All blocks of a stage add to one stream."""
        stages = ("stage1", "stage2", "stage3")
        blocks = [(name, f"{name}.{block}", block == 0) for name in stages for block in range(BLOCKS)]
        return residual_wiring(Wiring(["conv"], ["conv", "norm"]), blocks, "proj")


def build(architecture: ResNet56, *, input_shape: tuple[int, int, int], classes: int) -> ResNet56Network:
    """The network at its width: floor(16s) filters in the first stage, which double in the second and the third."""
    return ResNet56Network(input_shape[0], filters=scaled(16, architecture.width, "conv of resnet56"), classes=classes)
