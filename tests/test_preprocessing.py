"""What networks see of an image: literal small cases, and what cannot be preprocessed."""

from __future__ import annotations

import pytest
import torch
from networks import network
from torch import Tensor

from raydensity import cost_model, data, experiment
from raydensity.data.dataset import Dataset, Description
from raydensity.data.preprocessing import resized
from raydensity.spec import Teacher


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


def bytes_as_they_are(images: Tensor) -> Dataset:
    """A data set whose pixels go to 255, as those of CIFAR-10 do; only its description counts here."""
    known = Description("bytes", tuple(images.shape[1:]), 2, len(images), validation_size=0, test_size=0)
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Dataset(known, images, labels, images[:0], labels[:0], digest="")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, dtype=torch.uint8, generator=source)


def test_unit_scales_to_one(digits: data.Dataset) -> None:
    images = torch.tensor([[0, 4], [8, 16]], dtype=torch.uint8).view(1, 1, 2, 2)
    inputs = data.normalize(digits, images, "unit")
    assert inputs.dtype == torch.float32
    assert inputs.flatten().tolist() == [0.0, 0.25, 0.5, 1.0]
    assert images.flatten().tolist() == [0, 4, 8, 16]


def test_standardized_has_mean_zero_and_deviation_one(digits: data.Dataset) -> None:
    inputs = data.normalize(digits, digits.train_images, "standardized").double()
    assert inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_normalize_takes_stacked_batches(digits: data.Dataset) -> None:
    batches = digits.train_images[:6].view(2, 3, 1, 8, 8)
    stacked = data.normalize(digits, batches, "standardized")
    assert torch.equal(stacked.view(6, 1, 8, 8), data.normalize(digits, digits.train_images[:6], "standardized"))


def test_unknown_preprocessing_names_the_known_ones(digits: data.Dataset) -> None:
    with pytest.raises(ValueError, match="'zca' is unknown; known are unit, standardized, crop_28, per_image"):
        data.normalize(digits, digits.train_images, "zca")


@pytest.mark.parametrize("preprocessing", ["per_image", "crop_28"])
def test_a_constant_image_is_zero(preprocessing: str) -> None:
    images = torch.tensor([0, 7, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    inputs = data.normalize(bytes_as_they_are(images), images, preprocessing)
    assert inputs.equal(torch.zeros(3, 3, 32, 32))


def test_each_image_has_mean_zero_and_deviation_one() -> None:
    images = drawn(5, 3, 32, 32) // torch.tensor([1, 2, 4, 8, 16], dtype=torch.uint8).view(5, 1, 1, 1)
    inputs = data.normalize(bytes_as_they_are(images), images, "per_image").double().flatten(1)
    assert inputs.mean(1).abs().max() < 1e-6
    torch.testing.assert_close(inputs.std(1, correction=0), torch.ones(5).double(), rtol=1e-6, atol=0)


def test_the_deviation_of_a_nearly_uniform_image_counts_as_more() -> None:
    one_level = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    one_level[0, 0, 3, 5] = 1  # a deviation of sqrt(63) / 64, which is less than 1 / sqrt(64)
    inputs = data.normalize(bytes_as_they_are(one_level), one_level, "per_image")
    assert inputs[0, 0, 3, 5] == 63 / 64 * 8
    assert inputs[0, 0, 0, 0] == -1 / 64 * 8


def test_pixels_of_another_scale_are_standardised_alike(digits: data.Dataset) -> None:
    of_16 = torch.tensor([0, 16, 16, 16], dtype=torch.uint8).view(1, 1, 2, 2)
    of_255 = torch.tensor([0, 255, 255, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    expected = data.normalize(bytes_as_they_are(of_255), of_255, "per_image")
    assert data.normalize(digits, of_16, "per_image").equal(expected)
    assert expected.flatten().tolist() == pytest.approx([-(3**0.5), *[3**-0.5] * 3])


def test_a_ramp_is_resized_as_tensorflow_1_does() -> None:
    ramp = torch.arange(28.0).expand(2, 3, 28, 28)
    expected = torch.tensor([min(0.875 * place, 27) for place in range(32)])
    assert resized(ramp, (32, 32)).equal(expected.expand(2, 3, 32, 32))
    assert resized(ramp.mT, (32, 32)).equal(expected.view(-1, 1).expand(2, 3, 32, 32))
    assert resized(torch.tensor([[[0.0, 4.0]]]), (1, 4)).flatten().tolist() == [0, 2, 4, 4]


def test_crop_28_sees_the_middle_alone() -> None:
    images = drawn(2, 3, 32, 32)
    dataset = bytes_as_they_are(images)
    other_frame = drawn(2, 3, 32, 32, seed=1)
    other_frame[..., 2:30, 2:30] = images[..., 2:30, 2:30]
    inputs = data.normalize(dataset, images, "crop_28")
    assert data.normalize(dataset, other_frame, "crop_28").equal(inputs)
    middle = images[..., 2:30, 2:30]
    assert inputs.equal(resized(data.normalize(dataset, middle, "per_image"), (32, 32)))
    assert data.normalize(dataset, middle, "crop_28").equal(data.normalize(dataset, middle, "per_image"))


@pytest.mark.parametrize("preprocessing", ["per_image", "crop_28"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_an_image_is_the_same_whichever_stand_beside_it(preprocessing: str, count: int) -> None:
    images = drawn(24, 3, 32, 32)
    dataset = bytes_as_they_are(images)
    together = data.normalize(dataset, images.view(4, 6, 3, 32, 32), preprocessing).flatten(0, 1)
    for start in (0, 5, 17):
        part = slice(start, start + count)
        assert data.normalize(dataset, images[part], preprocessing).equal(together[part])


def test_images_too_small_to_crop_are_refused_before_training() -> None:
    spec = network().model_copy(update={"preprocessing": "crop_28"})
    calls = [
        lambda: cost_model.need(spec, device="cpu"),
        lambda: experiment.run_cohort([spec]),
        lambda: data.check_preprocessing(data.describe("digits"), "crop_28"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="crop_28 needs images of at least 28x28 pixels, those of digits have 8x8"):
            call()


def test_what_is_no_image_is_neither_preprocessed_nor_varied() -> None:
    teacher = data.load(Teacher())
    for preprocessing in ("unit", "crop_28", "per_image"):
        assert data.normalize(teacher, teacher.train_images[:3], preprocessing).equal(teacher.train_images[:3])
    with pytest.raises(ValueError, match="augmentation: teacher has no images that could be varied"):
        data.check_preprocessing(teacher.description, "per_image", augmentation=True)
