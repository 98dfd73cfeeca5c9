"""Tables: a CSV or Parquet file under the data root, or one of those that come with scikit-learn.

    houses = table.examine("houses.csv", target="price", task="regression")   # a Table, which specs name

What networks see is fitted on the training rows of a data seed alone: which rows those are, what stands for missing
numbers, and how columns are scaled. The data digest of a record is that of the fitted numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from raydensity.data.columns import Found, examined
from raydensity.data.dataset import Arrays, Description, Source
from raydensity.data.files import below
from raydensity.data.fitting import fitted, ordered
from raydensity.encoding import Quantity
from raydensity.encoding.cells import is_text, tidied
from raydensity.encoding.reading import read_frame
from raydensity.spec import Table

EMBEDDED = "scikit-learn/"
TOYS = ("iris", "wine", "breast_cancer", "diabetes")


def examine(
    source: str,
    *,
    target: str,
    task: Literal["classification", "regression"],
    title: str = "",
    test_source: str = "",
    dropped: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    root: Path,
) -> Table:
    """A table with its counts and digest, as a spec needs it. Read once a process, unless a file changes.

    Raises ValueError, in one line, for a file that cannot be read or makes no sense (data/columns.py).
    """
    asked = Table(
        title=title or PurePosixPath(source).stem,
        source=source,
        test_source=test_source,
        target=target,
        task=task,
        dropped=dropped,
        categorical=categorical,
        rows=1,
        inputs=1,
        classes=0,
        digest="",
    )
    files = tuple(below(root, name) for name in (source, test_source) if name and not name.startswith(EMBEDDED))
    return _counted(asked, root, tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files))


@contextmanager
def _given_back() -> Iterator[None]:
    """Of functions: what a file took goes back to the system, of which Arrow would keep it all."""
    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()


@cache
@_given_back()
def _counted(asked: Table, root: Path, stamps: tuple[int, ...]) -> Table:
    """The table with what its files hold; `stamps` say which state of them that is."""
    found, test_rows, digest = _read(asked, root)
    counts = {"rows": len(found.answers) - test_rows, "test_rows": test_rows, "inputs": found.inputs}
    return asked.model_copy(update={**counts, "classes": len(found.classes), "digest": digest})


def source(options: Table, data_seed: int) -> Source:
    """The table as networks of a data seed see it."""
    description = Description(
        name=options.title,
        input_shape=(options.inputs,),
        classes=options.classes,
        train_size=options.fitted + options.validated,
        validation_size=options.validated,
        test_size=options.tested,
        held_out="last",
        pixels=False,
        regression=options.task == "regression",
    )

    @_given_back()
    def verify(root: Path) -> None:
        _verified(options, root)

    return Source(description, partial(read, options, data_seed), verify=verify)


@_given_back()
def read(options: Table, data_seed: int, root: Path) -> Arrays:
    """The training rows of a data seed, those to validate on last, and the test rows. Raises as `examine`."""
    found = _verified(options, root)
    own = np.arange(options.rows)
    order = ordered(found.answers[own] if found.classes else np.zeros(len(own)), data_seed)
    validation = options.validated
    if options.draws_test_rows:
        test, train = order[: options.tested], order[options.tested :]
    else:
        test, train = np.arange(options.rows, len(found.answers)), order
    train = np.concatenate([np.sort(train[validation:]), np.sort(train[:validation])])
    encoding = fitted(found, target=options.target, training=train[:-validation])
    answers = found.answers
    if isinstance(encoding.answer, Quantity):
        answers = encoding.answer.standardized(answers)

    def tensors(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(encoding.encode(found.frame, chosen=rows)), torch.from_numpy(answers[rows])

    return Arrays(*tensors(train), *tensors(np.sort(test)), found.classes, encoding)


def _verified(options: Table, root: Path) -> Found:
    """The whole table. ValueError if it is another one than the options say."""
    found, test_rows, digest = _read(options, root)
    if digest != options.digest:
        raise ValueError(f"{options.source}: the file has changed since this grid was made, or another one is there")
    assert (test_rows, found.inputs) == (options.test_rows, options.inputs)
    return found


@_given_back()
def _read(options: Table, root: Path) -> tuple[Found, int, str]:
    """The table with the test rows last, how many these are, and the digest of the files."""
    if options.source.startswith(EMBEDDED):
        frame, digest = _embedded(options)
        return _examined(options, frame), 0, digest
    path = below(root, options.source)
    frame, hashed, test_rows = read_frame(path, header=[options.target]), hashlib.sha256(), 0
    _add(hashed, path)
    # A Parquet file may say which numbers are categories.
    declared = [name for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    if options.test_source:
        test_path = below(root, options.test_source)
        test = read_frame(test_path, header=[options.target])
        if list(test.columns) != list(frame.columns):
            raise ValueError(f"{test_path}: its columns are not those of {path.name}")
        _without_full_stops(test, frame)
        _add(hashed, test_path)
        test_rows = len(test)
        frame = pd.concat([frame, test])
    return _examined(options, frame, declared, test_rows), test_rows, hashed.hexdigest()


def _add(hashed: hashlib._Hash, path: Path) -> None:
    """Hash the bytes of a file, which are not in memory at once."""
    with path.open("rb") as file:
        hashlib.file_digest(file, lambda: hashed)


def _examined(options: Table, frame: pd.DataFrame, declared: Sequence[str] = (), test_rows: int = 0) -> Found:
    """What the columns are; the last `test_rows` rows are those of a file of their own. ValueError names the files, and
    where there are two also of each row which it is in."""
    known = partial(
        examined,
        target=options.target,
        task=options.task,
        dropped=options.dropped,
        categorical=options.categorical,
        declared=declared,
    )
    try:
        return known(frame)
    except ValueError as error:
        if not test_rows:
            raise ValueError(f"{options.source}: {error}") from None
    # Once more, for its words alone: as text the names of all rows would take more memory than many a table.
    files = [options.source] * (len(frame) - test_rows) + [options.test_source] * test_rows
    rows = [f"{row} of {file}" for row, file in zip(frame.index, files, strict=True)]
    try:
        return known(frame.set_axis(rows, axis=0))
    except ValueError as error:
        raise ValueError(f"{options.source} and {options.test_source}: {error}") from None


def _without_full_stops(test: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Take the full stop from the end of texts that the other table has without one, as in the test rows of adult."""
    for name in test.columns:
        column, other = tidied(test[name]), tidied(frame[name])
        if not (is_text(column) and is_text(other)):
            continue
        own, known = column.cat.categories, set(other.cat.categories)
        if not known.issuperset(own) and known.issuperset(own.str.removesuffix(".")):
            test[name] = column.astype("string").str.removesuffix(".")


def _embedded(options: Table) -> tuple[pd.DataFrame, str]:
    """A table that comes with scikit-learn, and its digest."""
    from sklearn import datasets  # here, since importing it takes a second

    name = options.source.removeprefix(EMBEDDED)
    if name not in TOYS:
        raise ValueError(f"{options.source}: scikit-learn has {', '.join(TOYS)}")
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    digest = hashlib.sha256(np.ascontiguousarray(frame.to_numpy(dtype=np.float64)).tobytes()).hexdigest()
    return frame, digest
