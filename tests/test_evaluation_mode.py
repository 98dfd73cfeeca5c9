"""Networks in training mode are measured as those in evaluation mode, and stay as they are."""

import pytest
import torch
from random_networks import images, small

from raydensity.interpretability.maximization import Ascent
from raydensity.interpretability.units import unit_images
from raydensity.measures.covariance import covariances
from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.measures.prunability import prunability
from raydensity.narrowing import difference, outcomes, prunable, redundant


def matrices(network, x):
    found = covariances(network, x.split(20), count=len(x), seed=0)
    return {layer: [own.matrix().tolist() for own in each] for layer, each in found.items()}


MEASURES = {
    "prunability": lambda network, x: prunability(network, x.split(20), seed=0),
    "covariances": matrices,
    "prunable": lambda network, x: {layer: mask.tolist() for layer, mask in prunable(network, x).items()},
    "redundant": redundant,
    "outcomes": lambda network, x: outcomes(network, x, x, torch.zeros(len(x), dtype=torch.int64), seed=0),
    "unit_images": lambda network, x: unit_images(
        network, input_shape=x.shape[1:], seed=0, most_units=2, ascent=Ascent(steps=2, starts=2)
    ),
    "difference": lambda network, x: difference(network, small("resnet56", seed=1).float(), x),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_network_in_training_mode_is_measured_in_evaluation_mode_and_not_changed(measure):
    x = images(40).float()
    expected = measure(small("resnet56").float(), x)
    network = small("resnet56").float().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert measure(network, x) == expected
    assert all(module.training for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_every_module_has_its_own_mode_again_also_after_an_error():
    network = small("resnet56").train()
    frozen = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    with evaluation_mode(network):
        assert not any(module.training for module in network.modules())

    def fail():
        with evaluation_mode(network):
            raise RuntimeError("amid")

    with pytest.raises(RuntimeError, match="amid"):
        fail()
    assert [module for module in network.modules() if not module.training] == [frozen]
