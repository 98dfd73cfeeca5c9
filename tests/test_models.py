import pytest
import torch
import torchvision

from raydensity import models
from raydensity.models import counts
from raydensity.models.layers import UnsharedConv2d, scaled
from raydensity.spec import MLP, AlexNet, Conv2, InceptionV3, ResNet, ResNet18, ResNet56

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
        shape = {"mlp": MNIST, "inception_v3": (3, 75, 75)}.get(architecture.name, CIFAR)
        return models.build(architecture, input_shape=shape, classes=10)


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


NOTHING_LEFT = [MLP(width=0.005), Conv2(width=0.01), ResNet(width=0.05), AlexNet(width=0.01), ResNet56(width=0.05)]


@pytest.mark.parametrize("architecture", [*NOTHING_LEFT, ResNet18(width=0.01), InceptionV3(width=0.03)])
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


INCEPTION = [
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
]
HIDDEN = [
    (MLP(width=0.1), 8, ["fc1", "fc2"]),
    (Conv2(width=0.1), 8, ["conv1", "conv2", "fc1", "fc2"]),
    (ResNet(width=0.5), 8, ["conv", "block1", "block2", "block3"]),
    (AlexNet(width=0.05), 8, ["conv1", "conv2", "fc1", "fc2"]),
    (ResNet56(width=0.0625), 8, ["conv", "stage1", "stage2", "stage3"]),
    (ResNet18(width=0.05), 32, ["conv", "block1", "block2", "block3", "block4"]),
    (InceptionV3(width=0.05), 75, INCEPTION),
]


@pytest.mark.parametrize(("architecture", "side", "layers"), HIDDEN, ids=lambda a: getattr(a, "name", None))
def test_activations_are_the_hidden_layers_and_logits_follow(architecture, side, layers):
    network = models.build(architecture, input_shape=(1, side, side), classes=10).eval()
    x = torch.rand(3, 1, side, side)
    hidden = network.activations(x)
    assert list(hidden) == layers
    assert all((h >= 0).all() and len(h) == 3 for h in hidden.values())
    assert network(x).shape == (3, 10)
    assert torch.equal(network(x), network.steps()["logits"](hidden[layers[-1]]))
    ablated = ["Mixed_5d", "Mixed_7a", "Mixed_7c"] if layers is INCEPTION else layers
    assert network.ablated_layers() == ablated
    assert [layers.index(each) for each in ablated] == ([7, 13, 15] if layers is INCEPTION else [*range(len(layers))])


def test_ours_compute_what_torchvisions_do():
    """With the same weights; its ResNet18 has no projection in the first stage, its Inception has scales, of one."""
    x = torch.rand(2, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    ours = models.build(ResNet18(width=1), input_shape=(3, 80, 80), classes=10)
    theirs = torchvision.models.resnet18(num_classes=10)
    theirs.layer1[0].downsample = ours.layer1[0].downsample
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    ours = models.build(InceptionV3(width=1), input_shape=(3, 80, 80), classes=10)
    theirs = torchvision.models.Inception3(num_classes=10, init_weights=False)
    missing = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(name.endswith("bn.weight") for name in missing.missing_keys)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize(
    ("architecture", "shape", "told"),
    [
        (
            InceptionV3(width=1),
            (3, 64, 80),
            "inception_v3 needs images of at least 75 x 75 pixels, and these have 64 x 80",
        ),
        (AlexNet(width=1), (10,), "alexnet needs images, and each datum has shape"),
    ],
)
def test_images_that_do_not_fit_are_one_clear_line(architecture, shape, told):
    with pytest.raises(ValueError, match=told):
        models.build(architecture, input_shape=shape, classes=10)


def test_residual_stages_begin_with_a_projection_and_forget_slowly():
    network = on_meta(ResNet56(width=1))
    blocks = [block for stage in (network.stage1, network.stage2, network.stage3) for block in stage]
    assert [block.projects for block in blocks] == ([True] + 8 * [False]) * 3
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.003, 1e-5)}
