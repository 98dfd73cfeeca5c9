"""Photographs in a folder for each class, such as ImageNet (Russakovsky et al. 2015): torchvision's `ImageFolder`.

    imagenet = image_folder.examine("imagenet", size=224, root=root)   # an ImageFolder, which specs name

They are decoded once, into pixels of one size. Folders sort them by class: so both files are in orders that are drawn
once, for all seeds. The last images of the training file are held out, and measures may look at the first of the test
file alone.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import joblib
import torch
from torch import Tensor

from raydensity.data.dataset import Arrays, Description, Source
from raydensity.data.files import below
from raydensity.errors import MissingFiles
from raydensity.randomness import generator
from raydensity.spec import ImageFolder

ENLARGED = 8 / 7  # of the size, the shorter side before the middle is cut out: 256 for 224


class Part(NamedTuple):
    """The files of the training or of the test part, each with the number of its class, and the names of these."""

    files: list[tuple[str, int]]
    classes: list[str]


@cache
def examine(folder: str, *, size: int, root: Path) -> ImageFolder:
    """The data set that a folder under the data root holds, with its counts: ImageNet or a part of it.

    A hundredth of the training images is held out, at most as many as of ImageNet. Where the folder is not there the
    counts are ImageNet's: a grid can be made without it. Raises ValueError where its parts do not fit together.
    """
    whole = ImageFolder(folder=folder, size=size)
    try:
        train, test = _parts(below(root, folder))
    except MissingFiles:
        return whole
    held_out = max(1, min(whole.validation, len(train.files) // 100))
    counts = {"classes": len(train.classes), "train": len(train.files), "test": len(test.files), "validation": held_out}
    return ImageFolder.model_validate({"folder": folder, "size": size, **counts})


def files(options: ImageFolder, root: Path) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The training and the test files, each with the number of its class, sorted by name.

    Raises MissingFiles where a folder is not there, and ValueError where they hold other counts than `options` says.
    """
    folder = below(root, options.folder)
    train, test = _parts(folder)
    found = {"classes": len(train.classes), "train": len(train.files), "test": len(test.files)}
    for name, count in found.items():
        if count != getattr(options, name):
            raise ValueError(
                f"{folder}: {name} is {getattr(options, name):,} in the data set's options, but there are {count:,}"
            )
    return train.files, test.files


def _parts(folder: Path) -> tuple[Part, Part]:
    """The training and the test part."""
    train = _part(folder / "train")
    test = _part(folder / ("val" if (folder / "val").is_dir() else "test"))
    if test.classes != train.classes:
        differing = min(set(test.classes) ^ set(train.classes))
        raise ValueError(f"{folder}: training and test part have different classes, such as {differing}")
    return train, test


def _part(folder: Path) -> Part:
    from torchvision.datasets import ImageFolder as TorchvisionImageFolder  # here, since importing it takes seconds

    if not folder.is_dir():
        raise MissingFiles(
            f"{folder} is missing: it must hold photographs, in a folder for each class; or leave out what needs them"
        )
    try:
        found = TorchvisionImageFolder(folder)
    except OSError as error:
        raise ValueError(f"{folder} cannot be read: {' '.join(str(error).split())}") from None
    return Part(found.samples, found.classes)


def read(options: ImageFolder, root: Path) -> Arrays:
    """All photographs, decoded by all cores. Raises ValueError naming the first that cannot be read."""
    train, test = files(options, root)
    names = tuple(sorted({Path(path).parent.name for path, _ in train}))  # as torchvision numbers them
    train, test = _permuted(train, "order"), _permuted(test, "test order")
    return Arrays(*_decoded(train, options.size), *_decoded(test, options.size), names)


def _permuted(files: list[tuple[str, int]], purpose: str) -> list[tuple[str, int]]:
    order = torch.randperm(len(files), generator=generator(0, "image_folder", purpose))
    return [files[index] for index in order.tolist()]


def _decoded(chosen: list[tuple[str, int]], size: int) -> tuple[Tensor, Tensor]:
    """Images uint8 [n, 3, size, size] and labels [n]."""
    images = torch.empty(len(chosen), 3, size, size, dtype=torch.uint8)

    def decode(index: int) -> None:
        images[index] = photograph(chosen[index][0], size)

    # Threads: nearly all the time is spent in libraries that let others run.
    joblib.Parallel(n_jobs=-1, require="sharedmem")(joblib.delayed(decode)(index) for index in range(len(chosen)))
    return images, torch.tensor([label for _, label in chosen])


def photograph(path: str, size: int) -> Tensor:
    """One photograph, uint8 [3, size, size]: the shorter side resized to ENLARGED times the size, the middle cut out.

    Raises ValueError if it cannot be decoded.
    """
    from PIL import Image
    from torchvision.transforms import functional

    try:
        with Image.open(path) as opened:
            whole = functional.resize(opened.convert("RGB"), round(size * ENLARGED))
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return functional.pil_to_tensor(functional.center_crop(whole, [size, size]))


@cache
def source(options: ImageFolder) -> Source:
    """The data set with its options. Raises ValueError if no image would be left to train on."""
    if options.validation >= options.train:
        raise ValueError(f"validation: {options.validation:,} is not less than train, {options.train:,}")
    description = Description(
        name="image_folder",
        input_shape=(3, options.size, options.size),
        classes=options.classes,
        train_size=options.train,
        validation_size=options.validation,
        test_size=options.test,
        held_out="last",
    )

    def verify(root: Path) -> None:
        files(options, root)

    return Source(description, partial(read, options), verify=verify)
