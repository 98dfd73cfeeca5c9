"""Data sets: whole, as tensors, on the device; uint8 until normalised.

    dataset = data.load("mnist", data_root=None, device="cuda")
    training, validation = data.split(dataset, data_seed=0)
    inputs = data.normalize(dataset, dataset.train_images[training[:32]], "unit")

Files are looked for in `data_root`, else in the folder that RAYDENSITY_DATA names; both are only read. Where neither is
given they are downloaded, once, into `data` under the current folder. Photographs (`ImageFolder`) and tables (`Table`)
have to be put there.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch

from raydensity.data import image_folder, spiral, teacher
from raydensity.data.augmentation import augment
from raydensity.data.cifar10 import CIFAR10, CIFAR10_FILE_ORDER
from raydensity.data.dataset import Arrays, Dataset, Description, Source, split
from raydensity.data.digits import DIGITS
from raydensity.data.mnist import MNIST
from raydensity.data.preprocessing import as_seen, check_preprocessing, encoding_of, normalize
from raydensity.data.random_labels import with_random_labels
from raydensity.errors import MissingFiles
from raydensity.memory import machine_memory
from raydensity.spec import AnyDataset, Spiral, Table, Teacher

__all__ = [
    "DATASETS",
    "Dataset",
    "Description",
    "as_seen",
    "augment",
    "check",
    "check_preprocessing",
    "describe",
    "encoding_of",
    "load",
    "normalize",
    "resolve_root",
    "split",
    "with_random_labels",
]

DATASETS: dict[str, Source] = {
    source.description.name: source for source in (MNIST, CIFAR10, CIFAR10_FILE_ORDER, DIGITS)
}


def describe(name: AnyDataset) -> Description:
    """The description of a data set. Raises ValueError, naming the known ones, for an unknown name."""
    return _source(name).description


def resolve_root(data_root: Path | None) -> Path:
    """The absolute data folder: `data_root`, else RAYDENSITY_DATA, else `data` under the current folder."""
    return Path(data_root or os.environ.get("RAYDENSITY_DATA") or "data").expanduser().absolute()


def check(name: AnyDataset, data_root: Path | None = None, *, download: bool = True, loaded_here: bool = True) -> None:
    """Make sure that a data set can be loaded, before anything trains. Takes about a second: most are read whole.

    Where no folder is named, what is missing is downloaded: call this once, before several processes load, and hand
    them `resolve_root(data_root)`. With `download=False` files that would have to be downloaded are no error, nor is a
    data set that this machine's memory cannot hold with `loaded_here=False`.

    Raises ValueError, in one line, for an unknown name and for missing, truncated or corrupt files.
    """
    source, root = _source(name), resolve_root(data_root)
    if loaded_here:
        _check_memory(source.description)
    try:
        if source.verify is not None:
            source.verify(root)
        else:
            _read(source, root, may_download=download and not _named(data_root))
    except MissingFiles:
        if download or _named(data_root):
            raise


def load(
    name: AnyDataset, *, data_root: Path | None = None, device: torch.device | str = "cpu", data_seed: int = 0
) -> Dataset:
    """A data set with all tensors on `device`. Loaded once per process, folder and device. Raises as `check` does.

    Tables are what the training rows of `data_seed` make of them, and only the last one is kept; other data are the
    same for all.
    """
    key = (name, resolve_root(data_root), not _named(data_root), torch.device(device))
    if not isinstance(name, Table):
        return _load(*key)
    if (*key, data_seed) not in _TABLES:
        _TABLES.clear()  # before the next is read: every data seed has a whole one of its own
        _TABLES[*key, data_seed] = _loaded(*key, data_seed)
    return _TABLES[*key, data_seed]


_TABLES: dict[tuple, Dataset] = {}


def _loaded(name: AnyDataset, root: Path, may_download: bool, device: torch.device, data_seed: int = 0) -> Dataset:
    source = _source(name, data_seed)
    _check_memory(source.description)
    arrays = _read(source, root, may_download=may_download)
    return Dataset(
        source.description,
        train_images=arrays.train_images.to(device),
        train_labels=arrays.train_labels.to(device),
        test_images=arrays.test_images.to(device),
        test_labels=arrays.test_labels.to(device),
        digest=arrays.digest(),
        class_names=arrays.class_names,
        encoding=arrays.encoding,
    )


_load = cache(_loaded)


def _check_memory(description: Description) -> None:
    """ValueError, before anything is read, where this machine cannot hold a data set."""
    there = machine_memory()
    if description.bytes > there:
        raise ValueError(
            f"{description.name} takes {description.bytes / 1e9:,.1f} GB of memory, this machine has {there / 1e9:,.1f}"
        )


def _read(source: Source, root: Path, *, may_download: bool) -> Arrays:
    try:
        return source.read(root)
    except MissingFiles:
        if not may_download or source.download is None:
            raise
    source.download(root)
    return source.read(root)


def _named(data_root: Path | None) -> bool:
    """Whether the user named a data folder, which is then only read."""
    return data_root is not None or bool(os.environ.get("RAYDENSITY_DATA"))


def _source(name: AnyDataset, data_seed: int = 0) -> Source:
    if isinstance(name, Table):
        from raydensity.data import table  # here, since pandas takes half a second to import

        return table.source(name, data_seed)
    if isinstance(name, Spiral):
        return spiral.source(name)
    if isinstance(name, Teacher):
        return teacher.source(name)
    if not isinstance(name, str):
        return image_folder.source(name)
    if name not in DATASETS:
        raise ValueError(f"dataset: {name!r} is unknown; known are {', '.join(sorted(DATASETS))}")
    return DATASETS[name]
