import torch
from hypothesis import given
from hypothesis import strategies as st

from raydensity.measures.overlap import overlap


def test_literal():
    initial = torch.tensor([[0.1, -0.2, 3.0, 4.0, -5.0]])
    trained = torch.tensor([[9.0, -0.1, 0.2, 8.0, -7.0]])
    assert overlap(initial, trained) == (5, 2, 1)  # {0, 1} and {1, 2}


@given(st.integers(1, 200), st.integers(0, 1000))
def test_same_weights_overlap_wholly_and_signs_do_not_matter(size, seed):
    weights = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    result = overlap(weights, -weights)
    assert result.common == result.smallest == int(0.4 * size + 0.5 + 1e-9)


def test_independent_weights_overlap_by_chance():
    source = torch.Generator().manual_seed(0)
    result = overlap(torch.randn(200_000, generator=source), torch.randn(200_000, generator=source))
    assert abs(result.common / result.weights - 0.16) < 0.005
