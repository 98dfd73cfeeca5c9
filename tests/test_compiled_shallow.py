"""The compiled passes of networks with one hidden layer against autograd, in double precision."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity import compiled_shallow
from raydensity.compiled_shallow import Shallow


def random_networks(count, inputs, units, classes, seed=0):
    source = torch.Generator().manual_seed(seed)
    shapes = (count, inputs, units), (count, units), (count, units, classes), (count, classes)
    return Shallow(*(torch.randn(shape, generator=source) for shape in shapes))


def random_batch(count, inputs, classes, size, seed=1):
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(count, size, inputs, generator=source)
    return x, torch.randint(0, classes, (count, size), generator=source)


def gradients(networks, x, labels):
    into = Shallow(*(torch.full_like(parameter, torch.nan) for parameter in networks))
    return into, *compiled_shallow.gradients(networks, x, labels, into)


def outputs(networks, x):
    """Logits [R, B, C] in double precision."""
    hidden, hidden_bias, output, output_bias = networks
    return torch.baddbmm(
        output_bias.unsqueeze(1), torch.baddbmm(hidden_bias.unsqueeze(1), x.double(), hidden).relu(), output
    )


@settings(max_examples=40)
@given(
    st.integers(1, 4),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(2, 11),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_passes_of_any_shape_equal_autograd(count, inputs, units, classes, batch, seed):
    networks = random_networks(count, inputs, units, classes, seed)
    x, labels = random_batch(count, inputs, classes, batch, seed + 1)
    own, losses, correct = gradients(networks, x, labels)
    leaves = Shallow(*(parameter.double().requires_grad_() for parameter in networks))
    logits = outputs(leaves, x)
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(count, batch).mean(1)
    expected.sum().backward()
    torch.testing.assert_close(losses.double(), expected.detach(), rtol=1e-5, atol=1e-5)
    assert correct.tolist() == (logits.argmax(2) == labels).sum(1).tolist()
    for mine, theirs in zip(own, leaves, strict=True):
        torch.testing.assert_close(mine.double(), theirs.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled_shallow.logits(networks, x).double(), logits.detach(), rtol=1e-4, atol=1e-4)


def test_packing_does_not_change_a_bit():
    networks, (x, labels) = random_networks(5, 10, 48, 2), random_batch(5, 10, 2, 25)
    together = [*gradients(networks, x, labels), compiled_shallow.logits(networks, x)]
    for part in ([3], [4, 0]):
        few = Shallow(*(parameter[part] for parameter in networks))
        apart = [*gradients(few, x[part], labels[part]), compiled_shallow.logits(few, x[part])]
        for mine, all_of_them in zip([*apart[0], *apart[1:]], [*together[0], *together[1:]], strict=True):
            assert torch.equal(mine, all_of_them[part])


def test_what_fills_a_batch_counts_for_nothing():
    networks, (x, labels) = random_networks(2, 10, 16, 2), random_batch(2, 10, 2, 30)
    some, all_of_them = gradients(networks, x[:, :25], labels[:, :25]), gradients(networks, x, labels[:, :25])
    for mine, theirs in zip([*some[0], *some[1:]], [*all_of_them[0], *all_of_them[1:]], strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("parameter", [0, 2])
def test_what_is_not_finite_shows_in_the_loss_of_its_network_alone(bad, parameter):
    networks, (x, labels) = random_networks(3, 10, 16, 2), random_batch(3, 10, 2, 32)
    networks[parameter][1] = bad
    own, losses, _ = gradients(networks, x, labels)
    assert losses.isfinite().tolist() == [True, False, True]
    assert all(gradient[[0, 2]].isfinite().all() for gradient in own)


def test_the_loss_of_large_logits_is_finite():
    networks, (x, labels) = random_networks(2, 10, 16, 3), random_batch(2, 10, 3, 32)
    networks.output.mul_(1e6)
    own, losses, _ = gradients(networks, x, labels)
    logits = outputs(networks._replace(**{k: v.double() for k, v in networks._asdict().items()}), x)
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(2, 32).mean(1)
    torch.testing.assert_close(losses.double(), expected, rtol=1e-5, atol=0)
    assert all(gradient.isfinite().all() for gradient in own)
