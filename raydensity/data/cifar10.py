"""CIFAR-10: 60,000 small colour photographs (Krizhevsky 2009), from the pickled or the binary layout.

`cifar-10-batches-py` is torchvision's: md5 sums are compared with the published ones before anything is unpickled.
`cifar-10-batches-bin` has no published sums of its files: sizes and labels are checked, the digest tells the rest.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from raydensity.data.dataset import Arrays, Description, Source
from raydensity.data.files import fetch, read_bytes
from raydensity.errors import MissingFiles

PICKLED, BINARY = "cifar-10-batches-py", "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{batch}.bin" for batch in range(1, 6))
TEST_FILES = ("test_batch.bin",)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORDS = 10_000  # per file
RECORD_SIZE = 1 + 3 * 32 * 32  # label, then the red, the green and the blue plane, row by row


def read(root: Path) -> Arrays:
    """All of CIFAR-10 from a data folder. Raises ValueError naming the first missing or damaged file."""
    if (root / PICKLED).is_dir():
        return _read_pickled(root)
    if (root / BINARY).is_dir():
        return Arrays(*_read_binary(root, TRAIN_FILES), *_read_binary(root, TEST_FILES), CLASSES)
    raise MissingFiles(f"cifar10: neither {PICKLED} nor {BINARY} is in {root}")


def download(root: Path) -> None:
    """Fetch CIFAR-10 through torchvision, which verifies its checksums. Raises ValueError if that fails."""
    from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10  # here, since importing it takes seconds

    fetch("cifar10", root, lambda: TorchvisionCIFAR10(root, download=True))


def _read_pickled(root: Path) -> Arrays:
    from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10
    from torchvision.datasets.utils import check_integrity

    # torchvision makes the same check before it unpickles, but does not say which file failed.
    meta = TorchvisionCIFAR10.meta
    published = [*TorchvisionCIFAR10.train_list, *TorchvisionCIFAR10.test_list, [meta["filename"], meta["md5"]]]
    for name, md5 in published:
        path = root / PICKLED / name
        if not path.is_file():
            raise ValueError(f"{path} is missing")
        if not check_integrity(path, md5):
            raise ValueError(f"{path} is truncated or corrupt: its md5 sum is not {md5}")
    train, test = (TorchvisionCIFAR10(root, train=part) for part in (True, False))
    return Arrays(*_tensors(train.data, train.targets), *_tensors(test.data, test.targets), CLASSES)


def _tensors(images_nhwc: np.ndarray, labels: list[int]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images_nhwc).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def _read_binary(root: Path, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    images, labels = [], []
    for name in names:
        path = root / BINARY / name
        content = bytearray(read_bytes(path, size=RECORDS * RECORD_SIZE))
        records = torch.frombuffer(content, dtype=torch.uint8).view(RECORDS, RECORD_SIZE)
        if (largest := int(records[:, 0].max())) > 9:
            raise ValueError(f"{path} is corrupt: a label is {largest}, labels are 0 to 9")
        labels.append(records[:, 0].long())
        images.append(records[:, 1:].reshape(RECORDS, 3, 32, 32))
    return torch.cat(images), torch.cat(labels)


CIFAR10 = Source(
    Description(
        name="cifar10", input_shape=(3, 32, 32), classes=10, train_size=50_000, validation_size=5_000, test_size=10_000
    ),
    read,
    download,
)
# As the published code of Frivolous Units parts it: the last 5 % of the training file (specification b.3).
CIFAR10_FILE_ORDER = replace(
    CIFAR10,
    description=replace(CIFAR10.description, name="cifar10_file_order", validation_size=2_500, held_out="last"),
)
