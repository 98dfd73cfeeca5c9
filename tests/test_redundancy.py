"""Covariances, spectra and correlations of hidden units against closed forms and numpy."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ARCHITECTURES

from raydensity import models
from raydensity.measures import covariance as module
from raydensity.measures.correlation import absolute_correlations, correlation
from raydensity.measures.covariance import BLOCK, Covariance, covariances
from raydensity.measures.redundancy import redundancy
from raydensity.measures.tolerances import redundant_units
from raydensity.models.mlp import DenseNetwork

CORNERS = torch.tensor(list(product([0.0, 1.0], repeat=3)))  # of a cube: three units with no correlation
VARIANCE = 0.25 * 8 / 7


def covariance_of(*blocks):
    found = Covariance(blocks[0].shape[1], torch.device("cpu"))
    for block in blocks:
        found.add(block)
    return found


def network_of(rows):
    """A dense network with one hidden layer, whose unit i is the sum of inputs that row i of a matrix weighs."""
    weights = torch.tensor(rows)
    network = DenseNetwork(weights.shape[1], (len(weights),), 2).eval()
    network.fc1.weight.data = weights
    network.fc1.bias.data.zero_()
    return network


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8), block=st.sampled_from([1, 3, 16, 2048]))
@settings(max_examples=25)
def test_badly_scaled_units_in_blocks_of_any_size(sizes, block):
    source = np.random.default_rng(sum(sizes))
    scales, means = 10.0 ** np.arange(-3, 4), np.array([0, 1e2, -1e3, 5.0, 0, 1e4, 1e6])
    data = (means * scales + scales * source.standard_normal((sum(sizes) + 1, 7))).astype(np.float32)
    parts = torch.from_numpy(data).split([*sizes, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = covariance_of(*parts).matrix().numpy()
    expected = np.cov(data.astype(np.float64), rowvar=False)
    deviations = np.sqrt(np.diag(expected))
    assert (np.abs(found - expected) <= 2e-6 * deviations * deviations[:, None] + 1e-12).all()


def test_what_waits_to_be_multiplied_does_not_grow():
    found = Covariance(3, torch.device("cpu"))
    for _ in range(60):
        found.add(torch.randn(100, 3))
        assert sum(map(len, found._waiting)) < BLOCK
    found.matrix()
    assert found.examples == 6000
    with pytest.raises(ValueError, match="two examples or more, got 1"):
        covariance_of(torch.zeros(1, 2)).matrix()


def test_duplicated_and_dependent_units_have_a_known_spectrum():
    rows = [[1.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 1]]
    [spectrum] = redundancy(covariances(network_of(rows), CORNERS.split(3), count=8, seed=0))
    assert (spectrum.layer, spectrum.repeat, spectrum.rows) == ("fc1", 0, 8)
    assert spectrum.eigenvalues == pytest.approx([0, 0, 0, 0, 2 * VARIANCE, 3 * VARIANCE, 4 * VARIANCE], abs=1e-6)
    assert min(spectrum.eigenvalues) >= 0
    assert redundant_units(spectrum.eigenvalues) == 5  # the four, and the one that exceeds the tolerance


def test_rank_is_found_whatever_the_duplicates():
    source = torch.Generator().manual_seed(0)
    for rank, units in ((1, 8), (4, 12), (7, 40)):
        data = torch.rand(200, rank, generator=source) @ torch.rand(rank, units, generator=source)
        eigenvalues = torch.linalg.eigvalsh(covariance_of(data).matrix())
        assert int((eigenvalues > 1e-6 * eigenvalues[-1]).sum()) == rank


def activations(name, images):
    torch.manual_seed(0)
    network = models.build(ARCHITECTURES[name], input_shape=(1, 8, 8), classes=10).eval()
    with torch.no_grad():
        outputs = {layer: output.movedim(1, -1) for layer, output in network.activations(images).items()}
    return network, {layer: output.reshape(-1, output.shape[-1]).numpy() for layer, output in outputs.items()}


@pytest.mark.parametrize("name", ["mlp", "conv2", "resnet"])
def test_every_position_of_every_image_is_one_example(name):
    images = torch.rand(40, 1, 8, 8)
    network, examples = activations(name, images)
    found = covariances(network, images.split(17), count=40, seed=0)
    assert found.keys() == examples.keys()
    for layer, [own] in found.items():
        expected = np.cov(examples[layer], rowvar=False)
        assert own.examples == len(examples[layer])
        np.testing.assert_allclose(own.matrix(), expected, rtol=1e-4, atol=1e-6 * np.trace(np.atleast_2d(expected)))


def test_of_many_examples_a_sample_is_taken_three_times(monkeypatch):
    monkeypatch.setattr(module, "MOST_EXAMPLES", 500)
    images = torch.rand(40, 1, 8, 8)
    network, examples = activations("conv2", images)
    seen = []
    monkeypatch.setattr(Covariance, "add", lambda own, rows: seen.append(rows))
    found = covariances(network, images.split(16), count=40, seed=0)
    assert {layer: len(repeats) for layer, repeats in found.items()} == {"conv1": 3, "conv2": 3, "fc1": 1, "fc2": 1}
    maps = [rows for rows in seen if rows.shape[1] == 6]  # parts of 16, 16 and 8 images, two layers, three repeats
    assert [len(rows) for rows in maps] == [200] * 12 + [100] * 6
    first = [np.concatenate([part[repeat] for part in (maps[:6], maps[6:12], maps[12:])]) for repeat in range(3)]
    everything = {row.tobytes() for row in examples["conv1"]}
    assert all({row.tobytes() for row in sample} <= everything for sample in first)
    assert not np.array_equal(first[0], first[1])
    again = []
    monkeypatch.setattr(Covariance, "add", lambda own, rows: again.append(rows))
    covariances(network, images.split(16), count=40, seed=0)
    assert all(torch.equal(one, other) for one, other in zip(seen, again, strict=True))


def test_a_sample_has_no_more_and_nearly_the_same_spectrum(monkeypatch):
    images = torch.rand(60, 1, 8, 8)
    network, _ = activations("conv2", images)
    whole = redundancy(covariances(network, images.split(60), count=60, seed=0))[0]
    monkeypatch.setattr(module, "MOST_EXAMPLES", 1500)
    sampled = redundancy(covariances(network, images.split(7), count=60, seed=0))[:3]
    assert [(own.layer, own.repeat, own.rows) for own in sampled] == [("conv1", repeat, 1500) for repeat in range(3)]
    for own in sampled:
        assert own.eigenvalues != whole.eigenvalues
        assert own.eigenvalues[-1] == pytest.approx(whole.eigenvalues[-1], rel=0.2)


def test_correlations_of_pairs_literal():
    covariance = torch.tensor(
        [[4.0, -1.0, 4.0, 0.0, 0.0], [-1, 1, -1, 0, 0], [4, -1, 4, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 9]],
        dtype=torch.float64,
    )
    # units 0 and 2 are the same, unit 3 is constant
    assert sorted(absolute_correlations(covariance).tolist()) == pytest.approx([0, 0, 0, 0.5, 0.5])


def test_correlations_of_a_network():
    rows = [[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]]
    [own] = correlation(covariances(network_of(rows), [CORNERS], count=8, seed=0))
    # 0 and 1 are the same; unit 3 correlates with unit 2 by sqrt(1/2), and with no other
    assert own.layer == "fc1"
    assert own.mean == pytest.approx(np.sqrt(0.5) / 5, abs=1e-6)
    assert (len(own.histogram), sum(own.histogram), own.histogram[0], own.histogram[70]) == (100, 5, 4, 1)


def test_a_layer_without_pairs_has_no_mean():
    [own] = correlation(covariances(network_of([[1.0, 0, 0], [0, 0, 0]]), [CORNERS], count=8, seed=0))
    assert own.mean is None
    assert sum(own.histogram) == 0


def test_activations_of_any_size_have_a_spectrum():
    """Weights that start ten million times as large give such outputs, and their network did not diverge."""
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    small, large = Covariance(3, x.device), Covariance(3, x.device)
    small.add(x)
    large.add(x * 1e25)
    torch.testing.assert_close(large.matrix() / 1e50, small.matrix(), rtol=1e-5, atol=1e-8)
