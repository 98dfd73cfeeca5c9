"""Passes of stacked dense networks in blocks of networks."""

from itertools import pairwise

import pytest
import torch

from raydensity import dense
from raydensity.dense import Layer


def stack(rows, sizes, seed=0):
    """Layers as cohorts store them: matrices [R, in, out]."""
    source = torch.Generator().manual_seed(seed)
    return [
        Layer(torch.randn(rows, i, o, generator=source).transpose(1, 2), torch.randn(rows, o, generator=source))
        for i, o in pairwise(sizes)
    ]


@pytest.mark.parametrize("rows", [2, 3, 7])
@pytest.mark.parametrize("numbers", [1, 40_000])
def test_blocks_change_no_bit(monkeypatch, rows, numbers):
    sizes = (16, 160, 16, 4)
    x = torch.randn(rows, 64, 16, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 4, (rows, 60), generator=torch.Generator().manual_seed(2))
    rates = torch.linspace(0.1, 0.5, rows).view(-1, 1, 1)

    def everything():
        layers, into = stack(rows, sizes), stack(rows, sizes, seed=3)
        found = [dense.logits(layers, x), *dense.gradients(layers, x, labels, into)]
        found += [*dense.descend(layers, x, labels, rates)]
        return [*found, *(tensor for each in (layers, into) for layer in each for tensor in layer)]

    whole = everything()
    assert len(dense._blocks(stack(rows, sizes), x)) == 1
    monkeypatch.setattr(dense, "BLOCK_NUMBERS", numbers)
    blocks = dense._blocks(stack(rows, sizes), x)
    assert len(blocks) == max(1, rows // max(2, numbers // (64 * 160)))
    assert [part for block in blocks for part in range(rows)[block]] == list(range(rows))
    assert all(len(range(rows)[block]) >= 2 for block in blocks), "a product of one network sums in another order"
    assert all(torch.equal(a, b) for a, b in zip(whole, everything(), strict=True))
