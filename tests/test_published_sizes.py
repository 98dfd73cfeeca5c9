"""Parameters of the networks of Frivolous Units: every cell of the published table (specification b.1)."""

import pytest
import torch

from raydensity import models
from raydensity.models.counts import parameter_count
from raydensity.spec import MLP, AlexNet, InceptionV3, ResNet18, ResNet56

CIFAR, IMAGENET = ((3, 32, 32), 10), ((3, 299, 299), 1001)  # the code has a class for the background
WIDTHS = (0.25, 0.5, 1, 2, 4)
MLPS = [MLP(width=width, hidden=(128,)) for width in WIDTHS]
PUBLISHED = {
    "AlexNet": (CIFAR, [AlexNet(width=w) for w in WIDTHS], [438_746, 1_749_930, 6_989_642, 27_938_442, 111_713_546]),
    "ResNet56": (CIFAR, [ResNet56(width=w) for w in WIDTHS], [54_518, 215_362, 856_058, 3_413_482, 13_632_458]),
    "ResNet18": (
        IMAGENET,
        [ResNet18(width=w) for w in WIDTHS],
        [831_513, 3_057_225, 11_694_249, 45_710_697, 180_713_193],
    ),
    "Inception-v3": (IMAGENET, [InceptionV3(width=w) for w in WIDTHS[:3]], [2_286_026, 7_571_266, 27_145_970]),
    "Inception-v3-layer": (
        IMAGENET,
        [InceptionV3(width=w, varied="layer") for w in WIDTHS],
        [25_993_598, 26_350_842, 27_145_970, 29_058_786, 34_174_658],
    ),
    "MLP, 10 inputs": (((10,), 2), MLPS, [418, 834, 1_666, 3_330, 6_658]),
    "MLP, 10,000 inputs": (((10_000,), 2), MLPS, [320_098, 640_194, 1_280_386, 2_560_770, 5_121_538]),
}
CELLS = [
    pytest.param(shape, architecture, count, id=f"{name} at {architecture.width:g}")
    for name, (shape, architectures, counts) in PUBLISHED.items()
    for architecture, count in zip(architectures, counts, strict=True)
]


@pytest.mark.parametrize(("shape", "architecture", "count"), CELLS)
def test_counts_are_the_published_ones(shape, architecture, count):
    with torch.device("meta"):
        network = models.build(architecture, input_shape=shape[0], classes=shape[1])
    assert parameter_count(network) == count


@pytest.mark.parametrize(("architecture", "more"), [(ResNet18(width=1), 513), (InceptionV3(width=1), 2049 + 769)])
def test_a_thousand_classes_are_a_column_less(architecture, more):
    with torch.device("meta"):
        counts = [
            parameter_count(models.build(architecture, input_shape=(3, 299, 299), classes=classes))
            for classes in (1000, 1001)
        ]
    assert counts[1] - counts[0] == more
