"""MNIST: 70,000 grey handwritten digits (LeCun, Cortes and Burges), read from the published files.

Files may stand in torchvision's folder `MNIST/raw` or in the data folder itself, packed (`.gz`) or not.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.data.dataset import Arrays, Description, Source
from raydensity.data.files import fetch, read_bytes
from raydensity.errors import MissingFiles


class Published(NamedTuple):
    """One of the four files: sizes in bytes and md5 sums, as published and unpacked."""

    gz_size: int
    gz_md5: str
    size: int
    md5: str


FILES = {
    "train-images-idx3-ubyte": Published(
        9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", 47_040_016, "6bbc9ace898e44ae57da46a324031adb"
    ),
    "train-labels-idx1-ubyte": Published(
        28_881, "d53e105ee54ea40749a09fcbcd1e9432", 60_008, "a25bea736e30d166cdddb491f175f624"
    ),
    "t10k-images-idx3-ubyte": Published(
        1_648_877, "9fb629c4189551a2d022fa330f9573f3", 7_840_016, "2646ac647ad5339dbf082846283269ea"
    ),
    "t10k-labels-idx1-ubyte": Published(
        4_542, "ec29112dd5afa0611ce80d1b7f02629c", 10_008, "27ae3e4e09519cfbb04c329615203637"
    ),
}


def read(root: Path) -> Arrays:
    """All of MNIST from a data folder. Raises ValueError naming the first missing or damaged file."""
    train_images, train_labels, test_images, test_labels = (_content(root, name) for name in FILES)
    return Arrays(_images(train_images), _labels(train_labels), _images(test_images), _labels(test_labels))


def download(root: Path) -> None:
    """Fetch MNIST through torchvision, which verifies its checksums. Raises ValueError if that fails."""
    from torchvision.datasets import MNIST as TorchvisionMNIST  # here, since importing it takes seconds

    fetch("mnist", root, lambda: TorchvisionMNIST(root, download=True))


def _content(root: Path, name: str) -> bytes:
    published = FILES[name]
    for folder in (root / "MNIST" / "raw", root):
        if (unpacked := folder / name).exists():
            return read_bytes(unpacked, size=published.size, md5=published.md5)
        if (packed := folder / f"{name}.gz").exists():
            return gzip.decompress(read_bytes(packed, size=published.gz_size, md5=published.gz_md5))
    raise MissingFiles(f"mnist: {name}.gz is missing in {root / 'MNIST' / 'raw'}")


def _images(content: bytes) -> Tensor:
    header = 16  # idx3: magic number, count, rows, columns, four bytes each
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(-1, 1, 28, 28)


def _labels(content: bytes) -> Tensor:
    header = 8  # idx1: magic number, count
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).long()


MNIST = Source(
    Description(
        name="mnist", input_shape=(1, 28, 28), classes=10, train_size=60_000, validation_size=5_000, test_size=10_000
    ),
    read,
    download,
)
