import math
from itertools import chain, combinations, pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity.measures.connectivity import connected
from raydensity.measures.path_probability import bound, expected_paths, simulate
from raydensity.pruning.budgets import erdos_renyi_kernel


def network(width):
    return (2, width, width, width, 1)


def source(seed=0):
    return np.random.default_rng(seed)


def error(probability, samples):
    """Four standard errors of a share of `samples`: a correct simulation is outside once in 16,000 times."""
    return 4 * math.sqrt(probability * (1 - probability) / samples)


def enumerated(sizes, kept):
    """Mean number of complete paths and share of masks that have one, over all masks."""
    layers = [list(product([layer], range(a), range(b))) for layer, (a, b) in enumerate(pairwise(sizes))]
    if isinstance(kept, int):
        masks = [set(chosen) for chosen in combinations(chain.from_iterable(layers), kept)]
    else:
        chosen = product(*(combinations(layer, k) for layer, k in zip(layers, kept, strict=True)))
        masks = [set().union(*parts) for parts in chosen]
    paths = [[(layer, a, b) for layer, (a, b) in enumerate(pairwise(path))] for path in product(*map(range, sizes))]
    found = [sum(mask.issuperset(path) for path in paths) for mask in masks]
    return sum(found) / len(masks), sum(map(bool, found)) / len(masks)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ((2, 2, 2, 1), (2, 2, 1)),
        ((2, 2, 2, 1), (3, 1, 2)),
        ((2, 3, 2), (2, 3)),
        ((2, 3), (1,)),
        ((2, 2, 2, 1), 4),
        ((2, 2, 2, 1), 2),
        ((2, 3, 2), 5),
        ((1, 2, 1, 2, 1), 5),
    ],
)
def test_small_networks_by_full_enumeration(sizes, kept):
    mean, share = enumerated(sizes, kept)
    assert expected_paths(sizes, kept) == pytest.approx(mean, rel=1e-12)
    assert share <= bound(sizes, kept)
    assert simulate(sizes, kept, samples=20_000, generator=source()) == pytest.approx(share, abs=error(share, 20_000))


def test_the_bound_of_the_theorem():
    assert bound(network(100), (5, 6, 7, 8)) == pytest.approx(5 * 6 * 7 * 8 / 100**3, rel=1e-12)
    # Depth, inputs and outputs in general: only the hidden units divide.
    assert bound((3, 50, 20, 7), (4, 5, 6)) == pytest.approx(4 * 5 * 6 / (50 * 20), rel=1e-12)
    assert bound(network(3), (6, 9, 9, 3)) == 1
    # One draw of all weights: 2 n^3 (k / N)^4 with N about 2 n^2, a power of n^-5.
    assert expected_paths(network(10_000), 30) == pytest.approx(2 * 30 * 29 * 28 * 27 / 16 * 1e4**-5, rel=1e-3)


@pytest.mark.parametrize("width", [4, 8, 16, 64])
@pytest.mark.parametrize("kept", [(4, 4, 4, 4), (2, 6, 6, 3), 24])
def test_simulations_stay_below_the_bound(width, kept):
    limit = bound(network(width), kept)
    assert simulate(network(width), kept, samples=5_000, generator=source()) <= limit + error(limit, 5_000)


@pytest.mark.parametrize("layerwise", [True, False])
def test_at_a_fixed_budget_paths_vanish_with_width(layerwise):
    shares = []
    for width in (3, 6, 12, 24, 2_000):
        sizes = network(width)
        kept = erdos_renyi_kernel([(after, before) for before, after in pairwise(sizes)], 24) if layerwise else 24
        shares.append(simulate(sizes, kept, samples=5_000, generator=source()))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9
    assert shares[-1] == 0


@settings(max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.data())
def test_extreme_budgets(sizes, draw):
    layers = [a * b for a, b in pairwise(sizes)]
    assert (
        simulate(sizes, layers, samples=3, generator=source())
        == simulate(sizes, sum(layers), samples=3, generator=source())
        == 1
    )
    assert expected_paths(sizes, layers) == expected_paths(sizes, sum(layers)) == math.prod(sizes)
    empty = draw.draw(st.integers(0, len(layers) - 1))
    layers[empty] = 0
    assert simulate(sizes, layers, samples=3, generator=source()) == expected_paths(sizes, layers) == 0
    assert (
        simulate(sizes, len(layers) - 1, samples=3, generator=source()) == expected_paths(sizes, len(layers) - 1) == 0
    )


def test_simulation_agrees_with_masks_drawn_and_stripped_whole():
    sizes, kept, samples = (2, 5, 4, 3, 2), (4, 6, 5, 3), 20_000
    masks = []
    for (before, after), count in zip(pairwise(sizes), kept, strict=True):
        keys = torch.from_numpy(source(before * 10 + after).random((samples, before * after)))
        masks.append((keys.argsort(dim=1).argsort(dim=1) < count).view(samples, after, before))
    share = (connected(masks).weights > 0).double().mean().item()
    # The difference of two independent shares has twice the variance of one.
    assert simulate(sizes, kept, samples=samples, generator=source()) == pytest.approx(
        share, abs=math.sqrt(2) * error(share, samples)
    )


def test_simulation_follows_its_generator_and_memory_is_bounded(monkeypatch):
    whole = simulate(network(6), (4, 6, 6, 3), samples=2_000, generator=source(1))
    assert whole == simulate(network(6), (4, 6, 6, 3), samples=2_000, generator=source(1))
    monkeypatch.setattr("raydensity.measures.path_probability.AT_ONCE", 40 * 7)
    in_parts = simulate(network(6), (4, 6, 6, 3), samples=2_000, generator=source(1))
    assert in_parts == pytest.approx(whole, abs=math.sqrt(2) * error(whole, 2_000))
    assert simulate(network(6), (4, 6, 6, 3), samples=1, generator=source()) in (0, 1)


def test_what_does_not_fit_is_told():
    for sizes, kept in [((2, 3, 1), (1, 2, 3)), ((2, 3, 1), (7, 1)), ((2, 3, 1), (-1, 1)), ((2, 3, 1), 10)]:
        for function in (expected_paths, bound):
            with pytest.raises(ValueError, match="cannot be kept"):
                function(sizes, kept)
        with pytest.raises(ValueError, match="cannot be kept"):
            simulate(sizes, kept, samples=1, generator=source())
    for sizes in ((2,), (2, 0, 1)):
        with pytest.raises(ValueError, match="two or more"):
            expected_paths(sizes, 1)
    with pytest.raises(ValueError, match="samples is 0"):
        simulate((2, 3, 1), 4, samples=0, generator=source())
