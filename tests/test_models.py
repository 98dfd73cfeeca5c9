import pytest
import torch

from raydensity import models
from raydensity.models import counts
from raydensity.models.layers import UnsharedConv2d, scaled
from raydensity.spec import MLP, Conv2, ResNet

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)

# Density paper, Table 1, and the true numbers of kernel weights of an ordinary implementation (specification a.3).
TABLE1 = [
    (MLP, 0.1, 23_920, 23_920),
    (MLP, 0.5, 125_600, 125_600),
    (MLP, 1, 266_200, 266_200),
    (MLP, 2, 592_400, 592_400),
    (MLP, 5, 1_931_000, 1_931_000),
    (Conv2, 0.1, 536_963, 39_761),
    (Conv2, 0.5, 11_388_288, 1_076_320),
    (Conv2, 1, 43_780_864, 4_300_992),
    (Conv2, 2, 171_578_880, 17_195_392),
    (ResNet, 0.1, 27_762, 720),
    (ResNet, 0.5, 221_586, 19_608),
    (ResNet, 1, 443_122, 77_360),
    (ResNet, 2, 886_194, 307_296),
]


def on_meta(architecture):
    with torch.device("meta"):
        return models.build(architecture, input_shape=MNIST if architecture.name == "mlp" else CIFAR, classes=10)


@pytest.mark.parametrize(("kind", "width", "published", "true"), TABLE1)
def test_counts_equal_table_1(kind, width, published, true):
    architecture = kind(width=width)
    shape = MNIST if kind is MLP else CIFAR
    assert counts.table1_count(architecture, input_shape=shape, classes=10) == published
    assert counts.weight_count(on_meta(architecture)) == true


@pytest.mark.parametrize(("width", "published"), [(w, p) for kind, w, p, _ in TABLE1 if kind is Conv2])
def test_unshared_conv2_has_the_published_count_but_for_four_numbers_a_filter(width, published):
    unshared = on_meta(Conv2(width=width, unshared=True))
    assert counts.weight_count(unshared) + 4 * scaled(64, width, "conv1") == published


def test_parameter_count_adds_biases():
    assert counts.parameter_count(on_meta(MLP(width=1))) == 266_200 + 300 + 100 + 10


def test_widths_are_floored():
    assert scaled(256, 0.1, "fc1") == 25
    assert scaled(16, 0.1, "conv") == 1
    assert scaled(100, 0.29, "fc2") == 29  # 28.999999999999996 in floating point


@pytest.mark.parametrize("architecture", [MLP(width=0.005), Conv2(width=0.01), ResNet(width=0.05)])
def test_empty_layer_is_one_clear_line(architecture):
    with pytest.raises(ValueError, match=r"width .* leaves layer \w+ of \w+ empty: .* smallest width is") as error:
        on_meta(architecture)
    assert "\n" not in str(error.value)


def test_constant_filters():
    wide, constant = on_meta(ResNet(width=1)), on_meta(ResNet(width=1, constant_filters=True))
    assert wide.proj.in_features == 64
    assert constant.proj.in_features == 16


def test_unshared_convolution_with_equal_kernels_is_a_convolution():
    source = torch.Generator().manual_seed(0)
    shared = torch.nn.Conv2d(3, 4, 3, padding=1)
    unshared = UnsharedConv2d(3, 4, height=5, width=6)
    with torch.no_grad():
        unshared.weight.copy_(shared.weight.flatten(1).expand(30, -1, -1))
        unshared.bias.copy_(shared.bias[:, None, None].expand(-1, 5, 6))
    x = torch.rand(2, 3, 5, 6, generator=source)
    torch.testing.assert_close(unshared(x), shared(x))


@pytest.mark.parametrize("architecture", [MLP(width=0.1), Conv2(width=0.1), ResNet(width=0.5)])
def test_activations_are_the_hidden_layers_and_logits_follow(architecture):
    network = models.build(architecture, input_shape=(1, 8, 8), classes=10).eval()
    x = torch.rand(3, 1, 8, 8)
    hidden = network.activations(x)
    assert all((h >= 0).all() and len(h) == 3 for h in hidden.values())
    assert network(x).shape == (3, 10)
    assert (
        list(hidden)
        == {
            "mlp": ["fc1", "fc2"],
            "conv2": ["conv1", "conv2", "fc1", "fc2"],
            "resnet": ["conv", "block1", "block2", "block3"],
        }[architecture.name]
    )
