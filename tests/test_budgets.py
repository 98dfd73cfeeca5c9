import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydensity.pruning.budgets import erdos_renyi_kernel, uniform

shapes = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6)


def four_layers(width):
    """Weight shapes [out, in] of 2 -> width -> width -> width -> 1."""
    return [(width, 2), (width, width), (width, width), (1, width)]


@st.composite
def layers_and_total(draw):
    layers = draw(shapes)
    return layers, draw(st.integers(0, sum(map(math.prod, layers))))


@given(layers_and_total(), st.sampled_from([erdos_renyi_kernel, uniform]))
def test_budgets_are_exact_and_no_layer_keeps_more_than_it_has(drawn, budget):
    layers, total = drawn
    kept = budget(layers, total)
    assert sum(kept) == total
    assert all(0 <= count <= math.prod(shape) for count, shape in zip(kept, layers, strict=True))


@given(layers_and_total())
def test_erdos_renyi_kernel_is_capped_proportion_within_one_weight(drawn):
    layers, total = drawn
    kept = erdos_renyi_kernel(layers, total)
    sizes = [math.prod(shape) for shape in layers]
    low, high = 0.0, float(max(sizes))
    for _ in range(100):  # the level at which the capped proportions sum to the total
        level = (low + high) / 2
        reached = sum(min(size, level * sum(shape)) for size, shape in zip(sizes, layers, strict=True))
        low, high = (level, high) if reached < total else (low, level)
    for count, size, shape in zip(kept, sizes, layers, strict=True):
        assert abs(count - min(size, high * sum(shape))) < 1 + 1e-6


@given(layers_and_total())
def test_uniform_keeps_the_same_share_within_one_weight(drawn):
    layers, total = drawn
    weights = sum(map(math.prod, layers))
    for count, shape in zip(uniform(layers, total), layers, strict=True):
        assert abs(count - total * math.prod(shape) / weights) < 1


def test_budgets_by_hand():
    # Fan-in plus fan-out 18, 32, 32, 17 of 99; quotas of 30 are 5.45, 9.70, 9.70, 5.15.
    assert erdos_renyi_kernel(four_layers(16), 30) == [5, 10, 10, 5]
    # 2, 16, 16 and 1 parts of 35 weights of width 16, in sixteenths; quotas of 30: 1.71, 13.71, 13.71, 0.86.
    assert uniform(four_layers(16), 30) == [2, 14, 13, 1]
    # Ties go to the earlier layer.
    assert uniform([(2, 2), (2, 2)], 3) == erdos_renyi_kernel([(2, 2), (2, 2)], 3) == [2, 1]


def test_layers_that_would_overflow_are_kept_whole():
    # Quotas 5.71, 6.86, 6.86, 4.57: the last layer has 3. With it kept whole the first should keep 6.18 and has 6.
    assert erdos_renyi_kernel(four_layers(3), 24) == [6, 8, 7, 3]
    assert erdos_renyi_kernel(four_layers(3), 27) == uniform(four_layers(3), 27) == [6, 9, 9, 3]


def test_extremes():
    assert erdos_renyi_kernel(four_layers(4), 0) == uniform(four_layers(4), 0) == [0, 0, 0, 0]
    assert sum(erdos_renyi_kernel(four_layers(256), 1)) == 1
    assert erdos_renyi_kernel([], 0) == uniform([], 0) == []
    for budget in (erdos_renyi_kernel, uniform):
        for total in (-1, 28):
            with pytest.raises(ValueError, match="cannot be kept of 27"):
                budget(four_layers(3), total)
