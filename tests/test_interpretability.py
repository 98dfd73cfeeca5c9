import numpy as np
import pandas as pd
import pytest
import torch
from networks import network
from random_networks import IMAGE, small

from raydensity import data
from raydensity.experiment import run_cohort
from raydensity.interpretability.comparison import compare
from raydensity.interpretability.maximization import Ascent, maximizing_images
from raydensity.interpretability.total_variation import spectral_total_variation, total_variation
from raydensity.interpretability.units import MOST_UNITS, SHOWN, unit_images
from raydensity.models.conv2 import Conv2Network
from raydensity.models.mlp import DenseNetwork

QUICK = Ascent(steps=10, shift=1, starts=4)


def units(network, *, input_shape=IMAGE, seed=0, **options):
    return pd.DataFrame(unit_images(network, input_shape=input_shape, seed=seed, **options))


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
    ascent = Ascent(steps=60, shift=1, starts=2)
    table = compare(*(units(filters(own), input_shape=(3, 8, 8), ascent=ascent) for own in (smooth, rough)))
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
    own = units(network, most_units=4, ascent=ascent)
    table = compare(own, own, permutations=99)
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
        compare(*(units(small(name).float(), most_units=2, ascent=QUICK) for name in ("mlp", "conv2")))


def test_units_are_drawn_and_some_of_their_images_kept():
    network = small("conv2").float()
    every, some = units(network, shown=2, ascent=QUICK), units(network, most_units=3, ascent=QUICK)
    assert list(every.groupby("layer", sort=False).size()) == [
        len(output[0]) for output in network.activations(torch.zeros(1, *IMAGE)).values()
    ]
    assert (some.groupby("layer").size() == 3).all()
    assert some["image"].isna().all()
    for layer, own in every.groupby("layer"):
        excited = own[own["activation"] != 0]
        assert list(excited["image"].notna()) == [index < 2 for index in range(len(excited))]
        found = maximizing_images(network, layer, list(own["unit"]), input_shape=IMAGE, seed=0, ascent=QUICK)
        assert own["image_variation"].to_numpy() == pytest.approx(total_variation(found.images).numpy())
        assert own["spectral_variation"].to_numpy() == pytest.approx(spectral_total_variation(found.images).numpy())
        for row, image in zip(own.itertuples(), found.images, strict=True):
            if row.image is not None:
                kept = np.frombuffer(row.image, np.uint8).reshape(IMAGE)
                assert np.abs(kept / 255 - image.numpy()).max() <= 0.5 / 255 + 1e-6


def test_a_record_has_them_and_no_two_networks_start_alike(monkeypatch):
    monkeypatch.setattr("raydensity.interpretability.units.maximizing_images", quickly)
    specs = [network("conv2", epochs=1, init_seed=seed) for seed in (0, 1)]
    specs = [spec.model_copy(update={"measures": ("interpretability",)}) for spec in specs]
    first, second = run_cohort(specs).to_pylist()
    rows = first["interpretability"]
    assert [row["layer"] for row in rows] == sorted(row["layer"] for row in rows)
    assert max(sum(row["layer"] == layer for row in rows) for layer in ("conv1", "fc1")) <= MOST_UNITS
    assert 0 < sum(row["image"] is not None for row in rows) <= 4 * SHOWN
    assert all(len(row["image"]) == 64 for row in rows if row["image"])
    starts = quickly.starts
    assert len({seed for seed, _ in starts}) == 2
    assert repr(rows) != repr(second["interpretability"])
    (again,) = run_cohort(specs[:1]).to_pylist()
    assert repr(again["interpretability"]) == repr(rows)


def quickly(*args, seed, ascent=None, **options):
    """As `maximizing_images`, in a few steps."""
    quickly.starts.append((seed, args[1]))
    return maximizing_images(*args, seed=seed, ascent=QUICK, **options)


quickly.starts = []


def test_networks_that_see_no_images_are_refused_before_they_train():
    from raydensity.cost_model import need
    from raydensity.spec import Teacher

    spec = network("mlp").model_copy(update={"measures": ("interpretability",), "dataset": Teacher(inputs=10)})
    with pytest.raises(ValueError, match="interpretability is of units that see images, and teacher has none"):
        need(spec, device="cpu")


@pytest.mark.parametrize("preprocessing", ["unit", "standardized", "per_image"])
def test_images_are_seen_as_pixels_are(preprocessing):
    digits = data.load("digits")
    pixels = digits.train_images[:20]
    shades = (pixels / digits.description.scale).requires_grad_()
    seen = data.as_seen(digits, shades, preprocessing)
    torch.testing.assert_close(seen, data.normalize(digits, pixels, preprocessing), rtol=1e-4, atol=1e-5)
    seen.square().sum().backward()
    assert shades.grad.isfinite().all()
    assert shades.grad.abs().sum() > 0
