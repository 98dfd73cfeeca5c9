"""What a data set is: its description, its tensors, and the split by data seed.

Shapes: n images, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from raydensity.encoding import TableEncoding

COUNTED = 10_000  # images whose pixels are counted at a time, since that copies them


@dataclass(frozen=True)
class Description:
    """What is known of a data set without loading it.

    `train_size` counts the training file, validation images included; with a `validation_size` of 0 nothing is held
    out, and validation is done on the training set itself. Those held out are `drawn` by the data seed, or the `last`
    ones of the file. `scale` is the largest pixel value, which preprocessing maps to 1; data that are no `pixels` are
    float32, and taken as they are. A `binary` question is answered by one logit, a `regression`, which has no classes,
    by one number.
    """

    name: str
    input_shape: tuple[int, ...]  # (C, H, W), or as the data are
    classes: int
    train_size: int
    validation_size: int
    test_size: int
    held_out: Literal["drawn", "last"] = "drawn"
    pixels: bool = True
    scale: int = 255
    binary: bool = False
    regression: bool = False

    @property
    def logits(self) -> int:
        """How many numbers a network answers with."""
        return 1 if self.binary or self.regression else self.classes

    @property
    def fitted_size(self) -> int:
        """Images that a network is trained on."""
        return self.train_size - self.validation_size

    @property
    def judged_size(self) -> int:
        """Images that validation is done on."""
        return self.validation_size or self.train_size

    @property
    def bytes(self) -> int:
        """What the data set takes in memory: its images, and a label for each."""
        label = 4 if self.regression else 8
        return (self.train_size + self.test_size) * (math.prod(self.input_shape) * (1 if self.pixels else 4) + label)


class Arrays(NamedTuple):
    """Training and test part in the order of the data file: images [n, ...], labels [n].

    Images are uint8 [n, C, H, W], or float32 of any shape, which are then taken as they are. Labels are int64, or
    float32 in a regression. `class_names` are what the labels are called, empty where that is their numbers, and
    `encoding` is what made a table's rows images.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...] = ()
    encoding: TableEncoding | None = None

    def digest(self) -> str:
        """sha256 over the shapes and bytes of the four tensors, in hexadecimal."""
        hashed = hashlib.sha256()
        for tensor in self[:4]:
            hashed.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
            hashed.update(tensor.cpu().contiguous().numpy().data)
        return hashed.hexdigest()


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    `read` takes the data folder, verifies the files as it reads them and raises ValueError naming the first bad one.
    `download` fetches what is missing into a folder; None for data that come with a library or have to be put there.
    `verify` makes sure that `read` would succeed, in the way that it raises, where reading takes long; None: it does
    not.
    """

    description: Description
    read: Callable[[Path], Arrays]
    download: Callable[[Path], None] | None = None
    verify: Callable[[Path], None] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set, all tensors on one device: all as in `Arrays`."""

    description: Description
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    digest: str
    class_names: tuple[str, ...] = ()
    encoding: TableEncoding | None = None

    @cached_property
    def channel_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of the training file, pixels in [0, 1]: two float32 [C, 1, 1].

        The device counts pixels, the CPU computes: so all devices agree to the last bit.
        """
        means, deviations = [], []
        values = torch.arange(256, dtype=torch.float64)
        for channel in range(self.description.input_shape[0]):
            parts = self.train_images[:, channel].split(COUNTED)
            counts = torch.stack([torch.bincount(part.reshape(-1), minlength=256).cpu() for part in parts]).sum(0)
            shares = counts.double() / counts.sum()
            mean = (values * shares).sum()
            means.append(mean)
            deviations.append((((values - mean) ** 2) * shares).sum().sqrt())
        device, scale = self.train_images.device, self.description.scale

        def per_channel(numbers: list[Tensor]) -> Tensor:
            return (torch.stack(numbers) / scale).float().view(-1, 1, 1).to(device)

        return per_channel(means), per_channel(deviations)


def split(dataset: Dataset, data_seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the validation images within the training file.

    The validation images are drawn at random by `data_seed` (density paper, section 3.1; specification a.2), or the
    last of the file, as the description says; where none are held out, both parts are the whole file. Both are
    int64, ascending (the order of the file), on the data set's device, and the same on every device.
    """
    known, device = dataset.description, dataset.train_images.device
    size = known.validation_size
    everything = torch.arange(known.train_size, device=device)
    if not size:
        return everything, everything
    if known.held_out == "last":
        return everything[:-size], everything[-size:]
    generator = torch.Generator().manual_seed(data_seed)
    shuffled = torch.randperm(known.train_size, generator=generator)
    return shuffled[size:].sort().values.to(device), shuffled[:size].sort().values.to(device)
