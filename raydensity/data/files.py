"""Reading and fetching data files: every byte verified, every failure one line that names the file."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from raydensity.errors import MissingFiles


def below(root: Path, name: str) -> Path:
    """Where a file or folder lies that is named from the data root; it may be a link. ValueError for one outside."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise ValueError(f"{name}: data are files under the data root, {root}, named from there")
    return root / pure


def read_bytes(path: Path, *, size: int, md5: str | None = None) -> bytes:
    """The content of a file. Raises ValueError unless it has `size` bytes and, where one is published, that md5 sum."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingFiles(f"{path} is missing") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) != size:
        state = "truncated" if len(content) < size else "corrupt"
        raise ValueError(f"{path} is {state}: {len(content):,} bytes instead of {size:,}")
    if md5 is not None and (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise ValueError(f"{path} is corrupt: its md5 sum is {found} instead of {md5}")
    return content


def fetch(name: str, folder: Path, download: Callable[[], object]) -> None:
    """Run torchvision's `download` into `folder` without its progress bars. Raises ValueError if it fails."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            download()
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{name} could not be downloaded into {folder} (set RAYDENSITY_DATA to a folder that has it): {reason}"
        ) from None
