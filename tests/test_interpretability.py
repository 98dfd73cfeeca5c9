import pytest
import torch
from random_networks import IMAGE, small

from raydensity.interpretability import Ascent, compare, maximizing_images, total_variation
from raydensity.models.conv2 import Conv2Network
from raydensity.models.mlp import DenseNetwork

QUICK = Ascent(steps=10, shift=1, starts=4)


def test_of_a_dense_unit_the_image_is_its_positive_weights():
    """On [0, 1] w x is largest where x is 1 for positive weights and 0 for others: nearly all pixels get there."""
    network = DenseNetwork(64, (2,), 2)
    pattern = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1]).repeat(8) / 8
    with torch.no_grad():
        network.fc1.weight.copy_(torch.stack([pattern, -pattern.view(8, 8).T.flatten()]))
        network.fc1.bias.fill_(4)
    found = maximizing_images(network, "fc1", [0, 1], input_shape=(1, 8, 8), seed=0, ascent=Ascent(steps=200, shift=0))
    assert found.images.shape == (2, 1, 8, 8)
    assert (found.images >= 0).all()
    assert (found.images <= 1).all()
    assert (found.activations > 4 + 0.8 * 32 / 8).all()  # all of it would be 4 + 32 / 8
    wanted = torch.stack([pattern.view(8, 8) > 0, pattern.view(8, 8).T < 0])
    assert ((found.images[:, 0] > 0.5) == wanted).double().mean() > 0.9


@pytest.mark.parametrize("architecture", ["conv2", "resnet"])
def test_images_excite_more_than_where_they_started_and_depend_on_their_unit_alone(architecture):
    network = small(architecture).float()
    layer = list(network.steps())[-2]

    def maximize(units, ascent=QUICK, seed=0):
        return maximizing_images(network, layer, units, input_shape=IMAGE, seed=seed, ascent=ascent)

    state = torch.random.get_rng_state()
    all_units = range(network.activations(torch.zeros(1, *IMAGE))[layer].shape[1])
    found, started = maximize(all_units), maximize(all_units, Ascent(steps=0, starts=4))
    excited = started.activations > 0
    assert excited.any()
    assert (found.activations[excited] > started.activations[excited]).all()
    chosen = int(excited.nonzero()[-1])
    alone = maximize([chosen])
    torch.testing.assert_close(alone.images[0], found.images[chosen], rtol=1e-3, atol=1e-3)
    assert torch.equal(maximize([chosen]).images, alone.images)
    assert not torch.allclose(maximize([chosen], seed=1).images, alone.images)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())
    # What is shown is what excites: the network sees the very same image.
    own = network.activations(alone.images)[layer].flatten(1).view(len(all_units), -1).mean(1)[chosen]
    torch.testing.assert_close(own[None], alone.activations)


def filters(kernels):
    """A network whose first layer has these kernels [units, 3, 3], the same for all colours."""
    network = Conv2Network((3, 8, 8), filters=len(kernels), units=2, classes=2, unshared=False)
    with torch.no_grad():
        network.conv1.weight.copy_(kernels[:, None].expand(-1, 3, -1, -1))
        network.conv1.bias.fill_(0.1)
        for layer in (network.conv2, network.fc1, network.fc2):
            layer.weight.fill_(0.0)
            layer.bias.fill_(-1.0)
        network.fc2.bias[0] = 1.0
    return network


def test_smooth_filters_are_easier_to_interpret_than_checkerboards():
    source = torch.Generator().manual_seed(0)
    board = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
    smooth = torch.ones(3, 3) + 0.2 * torch.rand(6, 3, 3, generator=source)
    rough = board + 0.2 * torch.rand(8, 3, 3, generator=source)
    table = compare(filters(smooth), filters(rough), input_shape=(3, 8, 8), ascent=Ascent(steps=60, shift=1, starts=2))
    assert list(table["layer"]) == ["conv1"] * 2 + ["conv2"] * 2 + ["fc1"] * 2 + ["fc2"] * 2
    assert list(table["measure"]) == ["image", "spectrum"] * 4
    first = table.iloc[0]
    assert (first["units_narrow"], first["units_wide"]) == (6, 8)
    assert first["mean_narrow"] < first["mean_wide"]
    assert first["statistic"] == -7  # every smooth filter before every rough one: mean ranks 3.5 and 10.5
    assert first["p"] < 0.002
    silent = table[table["layer"] == "fc1"].iloc[0]
    assert (silent["units_narrow"], silent["silent_narrow"], silent["silent_wide"]) == (0, 2, 2)
    assert table[table["layer"].isin(["conv2", "fc1", "fc2"])]["p"].isna().all()


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "conv2-unshared", "resnet", "alexnet", "resnet56"])
def test_a_network_does_not_differ_from_itself(architecture):
    network = small(architecture).float()
    ascent = Ascent(steps=3, shift=1, starts=4)
    table = compare(network, network, input_shape=IMAGE, most_units=4, ascent=ascent, permutations=99)
    assert (table["units_narrow"] + table["silent_narrow"] == 4).all()
    tested = table.dropna()
    assert len(tested) >= 4
    assert (tested["statistic"] == 0).all()
    assert (tested["p"] >= 0.9).all()


def test_preprocessing_is_part_of_the_path():
    network = small("conv2").float()
    plain, inverted = (
        maximizing_images(network, "conv1", [0], input_shape=IMAGE, seed=0, preprocess=of, ascent=QUICK).images
        for of in (lambda x: x, lambda x: 1 - x)
    )
    assert total_variation(plain) > 0
    assert (plain - 0.5).flatten() @ (inverted - 0.5).flatten() < 0


@pytest.mark.parametrize(
    ("layer", "units", "shape", "problem"),
    [
        ("fc9", [0], IMAGE, "layer: 'fc9' is none of the hidden layers of this network, conv1, conv2, fc1, fc2"),
        ("logits", [0], IMAGE, "layer: 'logits' is none of the hidden layers"),
        ("conv1", [0, 5], IMAGE, "units: conv1 has the units 0 to 4, asked for are 0 to 5"),
        ("conv1", [0], (48,), r"input_shape: units are seen in images, and each datum has shape \(48,\)"),
    ],
)
def test_what_cannot_be_maximised_is_one_clear_line(layer, units, shape, problem):
    with pytest.raises(ValueError, match=problem):
        maximizing_images(small("conv2").float(), layer, units, input_shape=shape, seed=0)


def test_only_networks_of_one_architecture_are_compared():
    with pytest.raises(
        ValueError, match="networks of one architecture are compared, not fc1-fc2 and conv1-conv2-fc1-fc2"
    ):
        compare(small("mlp").float(), small("conv2").float(), input_shape=IMAGE)
