import math

import pytest
import torch
from networks import network

from raydensity.initializers import draw, fans, initial_parameters, starting_parameters
from raydensity.randomness import generator


def test_fans():
    assert fans((100, 300)) == (300, 100)
    assert fans((64, 3, 3, 3)) == (27, 576)
    assert fans((1024, 64, 27)) == (27, 576)  # unshared: 1,024 positions, 64 filters, 3 channels of 9 taps


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        ("glorot_uniform", 2 / 700),
        ("glorot_normal", 2 / 700),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
    ],
)
def test_variance_and_bounds(initializer, variance):
    kernel = draw((400, 300), initializer, generator(0, "test")).double()
    assert kernel.mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / kernel.numel()))
    assert kernel.var().item() == pytest.approx(variance, rel=0.02)
    if initializer.endswith("uniform"):
        bound = math.sqrt(3 * variance)  # Glorot: sqrt(6 / (n_in + n_out)), He: sqrt(6 / n_in)
        assert bound * 0.999 < kernel.abs().max() <= bound
    else:
        assert kernel.abs().max() <= 2 * math.sqrt(variance) / 0.87962566 + 1e-6


@pytest.mark.parametrize("make", [lambda: torch.nn.Linear(300, 400), lambda: torch.nn.Conv2d(12, 400, 5)])
def test_pytorchs_default_is_pytorchs_default(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = make()
    found = initial_parameters({"a.weight": tuple(layer.weight.shape), "a.bias": (400,)}, "torch_default", 3)
    bound = 300**-0.5  # both have as many inputs
    for values in (found["a.weight"], found["a.bias"], layer.weight, layer.bias):
        assert 0.97 * bound < values.abs().max() <= bound
        assert values.var().item() == pytest.approx(bound**2 / 3, rel=0.2)


def test_xavier_normal_is_not_cut_and_leaves_pytorchs_biases():
    """As torch.nn.init.xavier_normal_ does with the kernels of a network that PyTorch has made."""
    shapes = {"a.weight": (400, 300), "a.bias": (400,)}
    found, default = (initial_parameters(shapes, name, 3) for name in ("xavier_normal", "torch_default"))
    assert found["a.weight"].var().item() == pytest.approx(2 / 700, rel=0.02)
    assert found["a.weight"].abs().max() > 4 * math.sqrt(2 / 700)
    assert torch.equal(found["a.bias"], default["a.bias"])


def test_biases_zero_norm_scales_one_and_nothing_from_the_global_generator():
    shapes = {"a.weight": (4, 3), "a.bias": (4,), "norm.weight": (4,), "norm.bias": (4,)}
    torch.manual_seed(1)
    first = initial_parameters(shapes, "he_normal", 5)
    torch.manual_seed(2)
    second = initial_parameters(shapes, "he_normal", 5)
    other = initial_parameters(shapes, "he_normal", 6)
    assert all(torch.equal(first[name], second[name]) for name in shapes)
    assert not torch.equal(first["a.weight"], other["a.weight"])
    assert first["a.bias"].eq(0).all()
    assert first["norm.weight"].eq(1).all()
    assert first["norm.bias"].eq(0).all()


def test_generators_depend_on_seed_and_purpose_alone():
    def numbers(*what):
        return torch.rand(4, generator=generator(*what)).tolist()

    assert numbers(1, "init", "a") == numbers(1, "init", "a")
    assert (
        len({tuple(numbers(*what)) for what in [(1, "init", "a"), (2, "init", "a"), (1, "init", "b"), (1, "order", 1)]})
        == 4
    )


def test_small_normal_is_cut_and_not_rescaled():
    shapes = {"fc1.weight": (500, 400), "fc1.bias": (500,), "proj.weight": (300, 500), "proj.bias": (300,)}
    found = initial_parameters(shapes, "small_normal", 0)
    for name, deviation in (("fc1.weight", 1e-3), ("proj.weight", 1e-2)):
        assert 1.99 * deviation < found[name].abs().max() <= 2 * deviation
        assert found[name].std().item() == pytest.approx(0.8796 * deviation, rel=0.01)  # of a normal cut at two
        assert found[name].mean().abs() < 0.01 * deviation
    assert found["fc1.bias"].eq(0).all()


@pytest.mark.parametrize("initializer", ["small_normal", "he_normal", "lecun_uniform", "torch_default"])
def test_the_factor_multiplies_kernels_and_nothing_else(initializer):
    spec = network("alexnet", initializer=initializer)
    shapes = {"fc1.weight": (40, 30), "fc1.bias": (40,), "proj.weight": (10, 40), "proj.bias": (10,)}
    plain, scaled = (
        starting_parameters(shapes, spec.model_copy(update={"initializer_factor": factor}), {}) for factor in (1.0, 8.0)
    )
    for name in shapes:
        assert torch.equal(scaled[name], (8 if name.endswith("weight") else 1) * plain[name])
    if initializer == "torch_default":
        assert plain["fc1.bias"].unique().numel() > 30  # drawn, as PyTorch does
    else:
        assert plain["fc1.bias"].unique().tolist() == pytest.approx([0.1])
    assert starting_parameters(shapes, network(initializer="he_normal"), {})["fc1.bias"].eq(0).all()
