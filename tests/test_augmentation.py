"""Augmentation: literal small cases at the extremes of what is drawn, its statistics, and training with it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from interrupting import train_until_killed
from networks import network
from scipy import stats
from test_preprocessing import bytes_as_they_are, drawn

from raydensity import checkpoints, data, training
from raydensity.cohort import Cohort
from raydensity.data.augmentation import DRAWS, augment, cropped, draw, vary
from raydensity.data.dataset import Dataset
from raydensity.data.preprocessing import resized
from raydensity.evaluation import evaluate
from raydensity.spec import LastEpoch, NetworkSpec

CPU = torch.device("cpu")
ALMOST_ONE = 1 - 2**-24  # the largest number that is drawn


def one(row: float, column: float, flip: float = 0.5, brightness: float = 0.5, contrast: float = 0.5) -> torch.Tensor:
    return torch.tensor([[row, column, flip, brightness, contrast]])


@pytest.mark.parametrize(
    ("draws", "rows", "columns"),
    [
        (one(0, 0), [0, 1], [0, 1, 2]),
        (one(0, ALMOST_ONE), [0, 1], [1, 2, 3]),
        (one(ALMOST_ONE, 0), [2, 3], [0, 1, 2]),
        (one(0.34, 0.49, ALMOST_ONE), [1, 2], [0, 1, 2]),
        (one(0.34, 0.51, 0), [1, 2], [3, 2, 1]),
    ],
)
def test_a_crop_is_the_part_that_was_drawn(draws: torch.Tensor, rows: list[int], columns: list[int]) -> None:
    image = torch.arange(32).view(1, 2, 4, 4)
    assert cropped(image, draws, (2, 3)).equal(image[:, :, rows][..., columns])


def test_every_place_and_both_flips_are_as_likely() -> None:
    image = torch.arange(32 * 32).view(1, 1, 32, 32).expand(10_000, -1, -1, -1)
    parts = cropped(image, draw(0, 1, 10_000), (28, 28))
    flipped = parts[:, 0, 0, 0] > parts[:, 0, 0, 1]
    first = torch.where(flipped, parts[:, 0, 0, 27], parts[:, 0, 0, 0])
    places = first // 32 * 5 + first % 32 + 25 * flipped
    counts = torch.bincount(places, minlength=50)
    assert len(counts) == 50
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


def test_brightness_and_contrast_of_a_literal_image() -> None:
    image = torch.tensor([[[0.0, 10.0], [20.0, 50.0]], [[100.0, 100.0], [100.0, 100.0]]])[None]  # means 20 and 100
    brighter = vary(image, one(0, 0, brightness=1.0, contrast=1.0))
    expected = torch.tensor([[[47.0, 65.0], [83.0, 137.0]], [[163.0, 163.0], [163.0, 163.0]]])
    torch.testing.assert_close(brighter[0], expected)
    darker = vary(image, one(0, 0, brightness=0.0, contrast=0.0))
    expected = torch.tensor([[[-47.0, -45.0], [-43.0, -37.0]], [[37.0, 37.0], [37.0, 37.0]]])
    torch.testing.assert_close(darker[0], expected)


def test_what_is_drawn_in_the_middle_changes_nothing() -> None:
    images = drawn(3, 3, 32, 32)
    dataset, draws = bytes_as_they_are(images), one(0.5, 0.5).expand(3, -1)
    assert augment(dataset, images, "per_image", draws).equal(data.normalize(dataset, images, "per_image"))
    torch.testing.assert_close(
        augment(dataset, images, "crop_28", draws), data.normalize(dataset, images, "crop_28"), rtol=1e-5, atol=1e-5
    )


def test_the_padding_is_black_before_it_is_standardised() -> None:
    images = drawn(1, 3, 32, 32)
    dataset = bytes_as_they_are(images)
    moved = torch.zeros_like(images)
    moved[..., 4:, 4:] = images[..., :28, :28]
    shifted = augment(dataset, images, "per_image", one(0, 0))
    assert shifted.equal(data.normalize(dataset, moved, "per_image"))


def test_the_corner_of_an_image_is_standardised_and_resized() -> None:
    images = drawn(1, 3, 32, 32)
    dataset = bytes_as_they_are(images)
    corner = images[..., 4:, :28].flip(-1)
    expected = resized(data.normalize(dataset, corner, "per_image"), (32, 32))
    found = augment(dataset, images, "crop_28", one(ALMOST_ONE, 0, flip=0.49))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_standardisation_leaves_contrast_between_channels_and_no_brightness() -> None:
    images = drawn(1, 3, 32, 32) // torch.tensor([1, 2, 4], dtype=torch.uint8).view(3, 1, 1)
    dataset = bytes_as_they_are(images)

    def seen(**fields: float) -> torch.Tensor:
        return augment(dataset, images, "crop_28", one(0.5, 0.5, **fields))

    torch.testing.assert_close(seen(brightness=0.0), seen(brightness=1.0), rtol=1e-4, atol=1e-4)
    assert (seen(contrast=0.0) - seen(contrast=1.0)).abs().mean() > 0.1


@pytest.mark.parametrize("preprocessing", ["per_image", "crop_28"])
def test_an_image_is_the_same_whichever_stand_beside_it(preprocessing: str) -> None:
    images, draws = drawn(24, 3, 32, 32), draw(3, 1, 24)
    dataset = bytes_as_they_are(images)
    together = augment(dataset, images.view(4, 6, 3, 32, 32), preprocessing, draws.view(4, 6, DRAWS)).flatten(0, 1)
    assert together.shape == (24, 3, 32, 32)
    for start, count in itertools.product((0, 5, 17), (1, 2, 7)):
        part = slice(start, start + count)
        assert augment(dataset, images[part], preprocessing, draws[part]).equal(together[part])


def test_draws_are_a_function_of_order_and_epoch() -> None:
    before = torch.random.get_rng_state()
    draws = draw(0, 1, 64)
    assert draws.equal(draw(0, 1, 64))
    assert not draws.equal(draw(0, 2, 64))
    assert not draws.equal(draw(1, 1, 64))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert 0 <= draws.min() < draws.max() < 1


# Training with it -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["mlp", "conv2"])
def case(request: pytest.FixtureRequest) -> tuple[Dataset, list[NetworkSpec]]:
    """96 digits for dense networks, or 80 images as large as CIFAR-10's, brighter by class, for convolutions.

    Four networks, two of which share an order; 5 or 6 batches an epoch, 3 epochs.
    """
    if request.param == "mlp":
        digits = data.load("digits")
        known = replace(digits.description, train_size=112, validation_size=16, held_out="last")
        dataset, preprocessing = replace(digits, description=known), "per_image"
    else:
        brighter = (torch.arange(80) % 2 * 100).to(torch.uint8).view(-1, 1, 1, 1)
        dataset, preprocessing = bytes_as_they_are(drawn(80, 3, 32, 32) // 2 + brighter), "crop_28"
    specs = [
        network(request.param, init_seed=init, order_seed=order, epochs=3, batch_size=16, stopping=LastEpoch())
        for init, order in ((0, 0), (1, 0), (2, 1), (3, 2))
    ]
    return dataset, [each.model_copy(update={"preprocessing": preprocessing, "augmentation": True}) for each in specs]


def same(one: checkpoints.Progress, other: checkpoints.Progress) -> bool:
    assert one.kept is not None
    assert other.kept is not None
    return one.curves == other.curves and all(torch.equal(value, other.kept[name]) for name, value in one.kept.items())


def test_networks_trained_together_equal_single_ones(case) -> None:
    dataset, specs = case
    together = training.train(specs, dataset, device=CPU)
    for spec, trained in zip(specs, together, strict=True):
        (alone,) = training.train([spec], dataset, device=CPU)
        assert same(trained, alone)
    plain = [spec.model_copy(update={"augmentation": False}) for spec in specs]
    for trained, unvaried in zip(together, training.train(plain, dataset, device=CPU), strict=True):
        assert not same(trained, unvaried)


def test_every_image_has_draws_of_its_own_by_order_and_epoch(case, monkeypatch) -> None:
    dataset, specs = case
    gather, used = training.gather, []

    def noted(dataset, indices, preprocessing, *, draws):
        used.append(draws)
        return gather(dataset, indices, preprocessing, draws=draws)

    monkeypatch.setattr(training, "gather", noted)
    training.train(specs, dataset, device=CPU)
    steps = dataset.description.fitted_size // 16
    assert len(used) == 3 * steps
    for epoch in (1, 2, 3):
        of_epoch = torch.cat(used[(epoch - 1) * steps : epoch * steps], dim=1)
        assert of_epoch.equal(torch.stack([draw(order, epoch, 16 * steps) for order in (0, 1, 2)]))


def test_a_kill_within_an_epoch_does_not_change_the_images(case, tmp_path) -> None:
    dataset, specs = case
    whole = training.train(specs, dataset, device=CPU)
    train_until_killed(specs, dataset, tmp_path, saves=8 * len(specs))  # the eighth step is in the second epoch
    reached = checkpoints.load(tmp_path, specs[0].id, CPU)
    assert reached.epoch == 1
    assert reached.step > 0
    first = training.train(specs[2:0:-1], dataset, device=CPU, checkpoint_folder=tmp_path)
    others = training.train([specs[3], specs[0]], dataset, device=CPU, checkpoint_folder=tmp_path)
    for index, resumed in zip((2, 1, 3, 0), [*first, *others], strict=True):
        assert same(whole[index], resumed)


def test_what_is_judged_is_not_varied(case) -> None:
    dataset, specs = case
    trained = training.train(specs, dataset, device=CPU)
    known = dataset.description
    cohort = Cohort(specs, input_shape=known.input_shape, classes=known.logits)
    for index, each in enumerate(trained):
        cohort.load(index, each.kept)
    validation = data.split(dataset, 0)[1].expand(len(specs), -1)
    unvaried = evaluate(cohort, dataset, validation, specs[0].preprocessing)
    assert unvaried.loss.tolist() == [each.curves["validation_loss"][-1] for each in trained]
