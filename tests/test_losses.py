import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raydensity.losses import answers, example_losses, mean_loss


def test_cross_entropy_of_one_logit_and_of_two():
    three = math.log(3)  # odds of 3 to 1
    labels = torch.tensor([[1, 0, 1]])
    expected = [math.log(4 / 3), math.log(4), math.log(2)]
    one = torch.tensor([[[three], [three], [0.0]]])
    two = torch.tensor([[[0.0, three], [0.0, three], [5.0, 5.0]]])
    for logits in (one, two):
        assert example_losses(logits, labels)[0].tolist() == pytest.approx(expected)
        assert mean_loss(logits[0], labels[0]).item() == pytest.approx(sum(expected) / 3)


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40), st.integers(0, 2**40))
def test_one_logit_is_a_choice_of_two_of_which_one_has_logit_zero(values, bits):
    one = torch.tensor(values).view(1, -1, 1)
    labels = torch.tensor([[bits >> place & 1 for place in range(len(values))]])
    two = torch.cat([torch.zeros_like(one), one], dim=2)
    torch.testing.assert_close(example_losses(one, labels), example_losses(two, labels), rtol=1e-5, atol=1e-5)
    assert torch.equal(answers(one), answers(two))


def test_answers():
    assert answers(torch.tensor([[0.0], [1e-30], [-1.0], [7.0]])).tolist() == [0, 1, 0, 1]
    assert answers(torch.tensor([[0.0, 2.0, 1.0], [3.0, 3.0, 0.0]])).tolist() == [1, 0]


@pytest.mark.parametrize("count", [1, 16, 25, 48, 64])
@pytest.mark.parametrize("logits_each", [1, 10])
def test_the_loss_of_a_row_and_its_gradient_do_not_depend_on_other_rows(count, logits_each):
    """Libraries compute the numbers that fill no vector in another way: which ones must not depend on the stack."""
    source = torch.Generator().manual_seed(0)
    logits = torch.randn(7, count, logits_each, generator=source)
    labels = torch.randint(0, max(2, logits_each), (7, count), generator=source)

    def of(rows):
        own = logits[rows].clone().requires_grad_()
        losses = example_losses(own, labels[rows])
        return losses.detach(), *torch.autograd.grad(losses.mean(1).sum(), own)

    together = of(list(range(7)))
    for rows in ([0], [6], [1, 2], [5, 3, 4]):
        for mine, all_of_them in zip(of(rows), together, strict=True):
            assert torch.equal(mine, all_of_them[rows])
