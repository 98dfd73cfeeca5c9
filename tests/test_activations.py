import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raydensity.measures.activations import class_selectivity, class_sums, hoyer_sparsity


def test_hoyer_literals():
    rows = torch.tensor([[1.0, 1, 1, 1], [5, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    one_half = (2 - 2 / math.sqrt(2)) / 1
    assert hoyer_sparsity(rows)[:3].tolist() == pytest.approx([0, 1, one_half])
    assert math.isnan(hoyer_sparsity(rows)[3])
    assert math.isnan(hoyer_sparsity(torch.ones(1, 1))[0])


@given(
    st.lists(st.floats(0, 100, width=32), min_size=2, max_size=30).filter(lambda v: max(v) > 1e-3), st.floats(0.1, 10)
)
def test_hoyer_is_between_0_and_1_and_does_not_scale(values, factor):
    row = torch.tensor([values])
    sparsity = hoyer_sparsity(row).item()
    assert -1e-6 <= sparsity <= 1 + 1e-6
    assert hoyer_sparsity(row * factor).item() == pytest.approx(sparsity, abs=1e-4)


def test_selectivity_literal():
    activations = torch.tensor([[1.0, 0.0], [3.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 2])
    sums = class_sums(activations, labels, classes=3)
    assert sums.tolist() == [[4, 0], [1, 0], [0, 0]]
    result = class_selectivity(sums, labels)  # class means of the first unit: 2, 1, 0
    assert result.plain.tolist() == pytest.approx([2 - 0.5, 0])
    assert result.normalized.tolist() == pytest.approx([1.5 / 2.5, 0])


def test_selectivity_needs_every_class():
    with pytest.raises(ValueError, match="all 3 classes, got 2"):
        class_selectivity(torch.ones(3, 1), torch.tensor([0, 2]))
