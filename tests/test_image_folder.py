"""Photographs in folders, on small ones that Pillow makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from raydensity import data
from raydensity.data.image_folder import examine, photograph
from raydensity.experiment import run_cohort
from raydensity.spec import MLP, SGD, ImageFolder, LastEpoch, NetworkSpec, NoPruning, Training

CLASSES = ("ant", "bee", "cat")
OPTIONS = ImageFolder(folder="small", size=14, classes=3, train=12, test=6, validation=4)


def colour(number: int) -> tuple[int, int, int]:
    return 10 * number, 255 - 10 * number, 5 * number


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with 12 training and 6 test images of three classes, each of a colour and a size of its own."""
    number = 0
    for part, each in (("train", 4), ("val", 2)):
        for name in CLASSES:
            folder = tmp_path / "small" / part / name
            folder.mkdir(parents=True)
            for _ in range(each):
                Image.new("RGB", (16 + number, 40 - number), colour(number)).save(folder / f"{number:02}.png")
                number += 1
    return tmp_path


def test_it_is_described_without_being_read(tmp_path: Path) -> None:
    known = data.describe(ImageFolder())
    assert known.input_shape == (3, 224, 224)
    assert (known.classes, known.train_size, known.fitted_size) == (1000, 1_281_167, 1_271_167)
    assert (known.judged_size, known.test_size) == (10_000, 50_000)
    assert known.bytes == 1_331_167 * (3 * 224 * 224 + 8)


def test_a_folder_is_found_to_be_what_it_holds(root: Path, tmp_path: Path) -> None:
    """ImageNet where there is none, so that a grid can be made without it."""
    assert examine("small", size=14, root=root) == OPTIONS.model_copy(update={"validation": 1})
    assert examine("missing", size=299, root=root) == ImageFolder(folder="missing", size=299)
    for number in range(12, 500):
        path = root / "small" / "train" / "ant" / f"{number}.png"
        path.symlink_to(root / "small" / "train" / "ant" / "00.png")
    examine.cache_clear()
    found = examine("small", size=14, root=root)
    assert (found.train, found.validation) == (500, 5)
    (root / "small" / "val" / "cat").rename(root / "small" / "val" / "dog")
    examine.cache_clear()
    with pytest.raises(ValueError, match="training and test part have different classes, such as cat"):
        examine("small", size=14, root=root)


def test_all_images_are_there_once_in_orders_drawn_once(root: Path) -> None:
    data.check(OPTIONS, root)
    dataset = data.load(OPTIONS, data_root=root)
    assert dataset.description == data.describe(OPTIONS)
    assert dataset.train_images.shape == (12, 3, 14, 14)
    assert dataset.test_images.shape == (6, 3, 14, 14)
    assert dataset.train_images.dtype == torch.uint8
    numbers = (dataset.train_images[:, 0, 7, 7] // 10).tolist()
    assert sorted(numbers) == list(range(12))
    assert numbers != sorted(numbers)
    assert dataset.train_labels.tolist() == [number // 4 for number in numbers]
    tested = (dataset.test_images[:, 0, 7, 7] // 10).tolist()
    assert sorted(tested) == list(range(12, 18))
    assert tested != sorted(tested)
    assert dataset.test_labels.tolist() == [(number - 12) // 2 for number in tested]
    assert dataset.class_names == CLASSES
    for seed in (0, 1):
        training, validation = data.split(dataset, seed)
        assert training.tolist() == list(range(8))
        assert validation.tolist() == list(range(8, 12))
    data._load.cache_clear()
    assert data.load(OPTIONS, data_root=root).digest == dataset.digest


def test_the_middle_is_cut_out_of_what_is_large_enough(tmp_path: Path) -> None:
    pixels = torch.randint(256, (16, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(pixels.numpy()).save(tmp_path / "one.png")
    assert photograph(str(tmp_path / "one.png"), 14).equal(pixels[1:15, 3:17].permute(2, 0, 1))


@pytest.mark.parametrize("size", [(32, 40), (40, 32)])
def test_the_shorter_side_is_resized(tmp_path: Path, size: tuple[int, int]) -> None:
    halves = Image.new("L", size, 0)
    halves.paste(200, (size[0] // 2, 0, *size))
    halves.save(tmp_path / "grey.png")
    found = photograph(str(tmp_path / "grey.png"), 14)
    assert found.shape == (3, 14, 14)
    assert found[0].equal(found[1])
    assert found[:, :, :6].max() == 0  # the middle of the image is that of what was cut out
    assert found[:, :, 8:].min() == 200


def test_other_counts_are_named_in_one_line(root: Path) -> None:
    for fields, message in (
        ({"classes": 4}, r"small: classes is 4 in the data set's options, but there are 3$"),
        ({"train": 13}, r"small: train is 13 in the data set's options, but there are 12$"),
        ({"test": 1000}, r"small: test is 1,000 in the data set's options, but there are 6$"),
    ):
        for call in (data.check, lambda options, folder: data.load(options, data_root=folder)):
            with pytest.raises(ValueError, match=message):
                call(OPTIONS.model_copy(update=fields), root)
    with pytest.raises(ValueError, match="validation: 12 is not less than train, 12"):
        data.describe(OPTIONS.model_copy(update={"validation": 12}))


def test_the_test_part_may_have_either_name(root: Path) -> None:
    digest = data.load(OPTIONS, data_root=root).digest
    (root / "small" / "val").rename(root / "small" / "test")
    data._load.cache_clear()
    assert data.load(OPTIONS, data_root=root).digest == digest


def test_folders_that_do_not_fit_are_named_in_one_line(root: Path) -> None:
    small = root / "small"

    def refused(message: str) -> None:
        with pytest.raises(ValueError, match=message) as caught:
            data.check(OPTIONS, root)
        assert "\n" not in str(caught.value)

    (small / "val" / "cat").rename(small / "val" / "dog")
    refused("training and test part have different classes, such as cat")
    (small / "val" / "dog").rename(small / "val" / "cat")
    for path in (small / "train" / "bee").iterdir():
        path.unlink()
    refused("train cannot be read: Found no valid file for the classes bee")
    for path in small.glob("val/*/*"):
        path.unlink()
    (small / "val").rename(small / "other")
    (small / "train").rename(small / "training")
    refused("train is missing: it must hold photographs, in a folder for each class")


def test_an_image_that_cannot_be_decoded_is_named(root: Path) -> None:
    whole = (root / "small" / "train" / "bee" / "05.png").read_bytes()
    for content in (whole[:40], b"no image"):
        (root / "small" / "train" / "bee" / "05.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"bee/05\.png cannot be read: ") as caught:
            data.load(OPTIONS, data_root=root)
        assert "\n" not in str(caught.value)


def test_an_image_that_is_too_large_to_be_decoded_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # images of more than twice as many are refused
    with pytest.raises(ValueError, match=r"train/\w+/\d+\.png cannot be read: Image size ") as caught:
        data.load(OPTIONS, data_root=root)
    assert "\n" not in str(caught.value)


def test_nothing_is_decoded_that_does_not_fit_into_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "machine_memory", lambda: 18 * (3 * 14 * 14 + 8) - 1)
    monkeypatch.setattr("raydensity.data.image_folder.photograph", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match=r"^image_folder takes 0\.0 GB of memory, this machine has 0\.0$"):
        data.load(OPTIONS, data_root=root)


def test_a_network_trains_on_photographs(root: Path) -> None:
    spec = NetworkSpec(
        dataset=OPTIONS,
        preprocessing="standardized",
        architecture=MLP(width=1, hidden=(8,)),
        initializer="glorot_uniform",
        training=Training(optimizer=SGD(learning_rate=0.1), batch_size=4, max_epochs=2, stopping=LastEpoch()),
        pruning=NoPruning(),
        measures=(),
        init_seed=0,
        data_seed=0,
    )
    (row,) = run_cohort([spec], data_root=root).to_pylist()
    assert (row["status"], row["dataset"], row["validation_size"]) == ("finished", "image_folder", 4)
    assert row["data_digest"] == data.load(OPTIONS, data_root=root).digest
