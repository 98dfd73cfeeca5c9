"""Weights that others published, to start networks from; known by a digest of their content, never by a path.

A file is an .npz with a weight and a bias a layer, in the order of the layers.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from raydensity.published_digests import PUBLISHED, display_name

Weights = Mapping[str, Tensor]  # by layer name, in the order of the layers

FOLDER = "bench"  # under the data folder
_files: dict[str, Path] = {}  # files outside the data folder that this process was told of, by digest


def digest(weights: Weights) -> str:
    """Hash over names, shapes and values: 20 hexadecimal digits."""
    hashed = hashlib.sha256()
    for name, tensor in weights.items():
        hashed.update(f"{name} {tuple(tensor.shape)};".encode())
        hashed.update(tensor.contiguous().numpy().data)
    return hashed.hexdigest()[:20]


def read(path: Path) -> Weights:
    """The weights in a file. ValueError, in one line, where it is missing or holds no network of dense layers."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            weights = {name: torch.from_numpy(np.ascontiguousarray(file[name], dtype="<f4")) for name in file.files}
    except FileNotFoundError:
        raise ValueError(
            f"--set initial_weights: there is no file {path}; known are random, {', '.join(PUBLISHED)}"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError):
        raise ValueError(f"--set initial_weights: {path} is no .npz of numbers") from None
    if (
        not weights
        or len(weights) % 2
        or any(not name.endswith(".weight" if number % 2 == 0 else ".bias") for number, name in enumerate(weights))
    ):
        raise ValueError(
            f"--set initial_weights: {path} must hold NAME.weight and NAME.bias of each layer, in their order"
        )
    inputs = None
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ValueError(f"--set initial_weights: {path}: {name} has numbers that are not finite")
        if name.endswith(".weight"):
            fits = tensor.ndim == 2 and inputs in (None, tensor.shape[1])
        else:
            fits = tuple(tensor.shape) == (inputs,)
        if not fits:
            raise ValueError(
                f"--set initial_weights: {path}: {name} is {tuple(tensor.shape)}; weights are (units, units of the "
                "layer before), biases (units,)"
            )
        inputs = len(tensor)
    return weights


def name_to_digest(level: str) -> str:
    """The digest that a level of the factor initial_weights means: a published name, or the path of a file.

    ValueError, in one line, for a file that cannot be used.
    """
    if level in PUBLISHED:
        return PUBLISHED[level]
    path = Path(level).expanduser().absolute()
    found = digest(read(path))
    _files[found] = path
    return found


def load(digests: Iterable[str], data_root: Path, *, whole: bool = True) -> dict[str, Weights]:
    """The weights of some digests, from files that were named or lie under `data_root`/bench.

    ValueError, in one line, for one that is not there, unless not the `whole` is needed.
    """
    wanted = set(digests)
    named = [path for known, path in _files.items() if known in wanted]
    found = {}
    for path in [*named, *sorted((data_root / FOLDER).glob("*.npz"))] if wanted else []:
        weights = read(path)
        if digest(weights) in wanted:
            found[digest(weights)] = weights
    for missing in sorted(wanted - found.keys()) if whole else []:
        raise ValueError(
            f"--set initial_weights: {display_name(missing)} is not in {data_root / FOLDER}; "
            "put the published .npz file there, or leave these networks out with --set experiment=random"
        )
    return found


def fitted(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The weights for a network of these shapes, in the same order: the first units of each layer.

    ValueError, in one line, where the network is larger or has other layers.
    """
    if len(weights) != len(shapes):
        raise ValueError(
            f"--set initial_weights: they are {len(weights) // 2} layers, the network has {len(shapes) // 2}"
        )
    result = {}
    for (name, shape), (theirs, tensor) in zip(shapes.items(), weights.items(), strict=True):
        if len(shape) != tensor.ndim or any(own > other for own, other in zip(shape, tensor.shape, strict=True)):
            raise ValueError(
                f"--set initial_weights: {theirs} is {tuple(tensor.shape)}, the network's {name} is {shape}"
            )
        result[name] = tensor[tuple(slice(length) for length in shape)].clone()
    return result
