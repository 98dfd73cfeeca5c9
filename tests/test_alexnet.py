"""AlexNet's layers as TensorFlow has them (specification b.2)."""

import pytest
import torch
from networks import network
from torch.func import functional_call, grad, vmap
from torch.nn.functional import local_response_norm

from raydensity import models
from raydensity.cohort import Cohort
from raydensity.models.layers import max_pool_same
from raydensity.models.local_response_norm import LocalResponseNorm, _Normalise
from raydensity.spec import AlexNet


def images(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_normalisation_divides_by_the_squares_of_five_channels():
    x = torch.tensor([100.0, 200.0, 0.0, 300.0, 400.0, 500.0]).view(1, 6, 1, 1)
    sums = torch.tensor([5e4, 14e4, 30e4, 54e4, 50e4, 50e4])  # of squares, two channels on either side
    expected = x.flatten() / (1 + 2e-5 * sums) ** 0.75
    torch.testing.assert_close(LocalResponseNorm()(x).flatten(), expected)


def test_normalisation_is_that_of_torch_with_five_times_its_alpha():
    x = 100 * images(3, 7, 4, 5)
    torch.testing.assert_close(LocalResponseNorm()(x), local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0))


def test_derivatives_of_the_normalisation_are_right_to_second_order(monkeypatch):
    monkeypatch.setattr("raydensity.models.local_response_norm.ALPHA", 0.3)  # at 2e-5 it hardly does anything
    x = images(2, 4, 1, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: _Normalise.apply(x, 2), x)
    assert torch.autograd.gradgradcheck(lambda x: _Normalise.apply(x, 2), x)


def test_normalisation_in_a_stack():
    x, norm = 100 * images(3, 2, 6, 4, 4), LocalResponseNorm()
    slope = grad(lambda one: norm(one).square().sum())
    torch.testing.assert_close(vmap(slope)(x), torch.stack([slope(one) for one in x]))


def test_a_pool_has_its_padding_behind_maps_of_even_size():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert max_pool_same(x).flatten().tolist() == [10, 11, 14, 15]
    odd = torch.arange(9.0).view(1, 1, 3, 3)
    assert max_pool_same(odd).flatten().tolist() == [4, 5, 7, 8]
    assert max_pool_same(-1 - x).flatten().tolist() == [-1, -3, -9, -11]  # what is padded never counts


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 10), (7, 5), (1, 2)])
def test_pooled_maps_of_any_size_fit_the_dense_layer(height, width):
    built = models.build(AlexNet(width=0.05), input_shape=(3, height, width), classes=4)
    assert built(images(2, 3, height, width)).shape == (2, 4)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", [0.0, 2.0]),
        ("leaky_relu", [-0.2, 2.0]),
        ("elu", [-0.6321206, 2.0]),
        ("selu", [-1.1113307, 2.1014020]),
        ("sigmoid", [0.2689414, 0.8807971]),
        ("tanh", [-0.7615942, 0.9640276]),
    ],
)
def test_activation_functions(activation, expected):
    built = models.build(AlexNet(width=0.05, activation=activation), input_shape=(1, 8, 8), classes=10)
    torch.testing.assert_close(built.activation(torch.tensor([-1.0, 2.0])), torch.tensor(expected))
    x = images(1, 1, 8, 8)
    assert torch.equal(built.activations(x)["conv1"], built.activation(built.conv1(x)))


def test_biases_start_as_published():
    cohort = Cohort([network("alexnet")], input_shape=(1, 8, 8), classes=10)
    starts = {name: value.unique().tolist() for name, value in cohort.state(0).items() if name.endswith("bias")}
    expected = {"conv1.bias": 0.0, "conv2.bias": 0.1, "fc1.bias": 0.1, "fc2.bias": 0.1, "proj.bias": 0.0}
    assert starts == {name: pytest.approx([value]) for name, value in expected.items()}


def test_dropout_multiplies_the_outputs_of_hidden_layers_and_nothing_else():
    built = models.build(AlexNet(width=0.05, dropout=0.5), input_shape=(1, 8, 8), classes=10)
    x = images(2, 1, 8, 8)
    layers = built.steps()
    factors = {layer: images(2, dropped.units).abs() for layer, dropped in built.dropped.items()}
    hidden = layers["fc2"](built.activations(x)["fc1"] * factors["fc1"]) * factors["fc2"]
    assert torch.equal(built(x, factors), layers["logits"](hidden))
    assert torch.equal(functional_call(built, dict(built.named_parameters()), (x, None)), built(x))
