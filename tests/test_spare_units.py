"""Units that a study's tolerances call prunable or redundant, from measuring to the narrow network."""

import pytest
import torch
from random_networks import IMAGE, images, small

from raydensity.measures.covariance import covariances
from raydensity.measures.prunability import PARTS, SHARES, order_of_removal, prunability
from raydensity.measures.redundancy import redundancy
from raydensity.measures.tolerances import redundant_units, threshold
from raydensity.narrowing import difference, excise, prunable, redundant, refactor


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "alexnet"])
def test_what_is_measured_as_prunable_can_go(architecture):
    network, x = small(architecture).float(), images(200).float()
    curves = [curve for curve in prunability(network, [x], seed=3) if curve.layer == "all"]
    best = max(curves, key=lambda curve: threshold(curve.removed, curve.unchanged))
    share = threshold(best.removed, best.unchanged)
    kept = prunable(network, x, seed=3)
    assert set(kept) == set(network.ablated_layers())
    for layer, mask in kept.items():
        units = network.activations(x[:1])[layer].shape[1]
        number = min(int(share * units), units - 1)
        assert torch.equal(mask, order_of_removal(units, seed=3, repeat=best.repeat, layer=layer) >= number)
    # At the next level, or the last with units left, the first of this order go: what is left answers as was measured.
    level = min(next(each for each, removed in enumerate(best.removed) if removed >= share), len(PARTS))
    further = {}
    for layer, mask in kept.items():
        order = order_of_removal(len(mask), seed=3, repeat=best.repeat, layer=layer)
        further[layer] = order >= int(SHARES[level] * len(mask))
    assert difference(network, excise(network, further), x).same_answers == pytest.approx(best.unchanged[level])


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "resnet56"])
def test_what_is_measured_as_redundant_can_be_refactored(architecture):
    network, x = small(architecture).float(), images(120).float()
    removed = redundant(network, x)
    spectra = {own.layer: own.eigenvalues for own in redundancy(covariances(network, [x], count=len(x), seed=0))}
    for wiring in network.wiring():
        least = min(min(redundant_units(spectra[layer]), len(spectra[layer]) - 1) for layer in wiring.layers)
        assert {removed[layer] for layer in wiring.layers} == {least}
    narrow = refactor(network, x, removed=removed)
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in network.parameters())
    assert torch.isfinite(narrow(x)).all()


def test_units_that_are_combinations_of_others_are_all_redundant_at_a_small_tolerance():
    from raydensity.narrowing import more_of_both

    narrow = small("mlp")
    wide, x = more_of_both(narrow), images(300)
    twice = {layer: output.shape[1] for layer, output in narrow.activations(x[:1]).items()}
    removed = redundant(wide, x, tolerance=1e-9)
    assert all(removed[layer] >= units for layer, units in twice.items())


def test_wrong_images_and_counts_are_one_clear_line():
    network, x = small("mlp").float(), images(10).float()
    with pytest.raises(ValueError, match=r"images: they come some at a time; of one tensor of them write \[images\]"):
        prunability(network, x, seed=0)
    with pytest.raises(ValueError, match=r"images: they come some at a time"):
        covariances(network, x, count=10, seed=0)
    with pytest.raises(ValueError, match="count: 11 images were announced, and 10 came"):
        covariances(network, [x], count=11, seed=0)
    with pytest.raises(ValueError, match=r"removed: fc1 loses a number of its \d+ units, not 0.5"):
        refactor(network, x, removed={"fc1": 0.5})
    assert tuple(x.shape[1:]) == IMAGE
