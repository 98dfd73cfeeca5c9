"""Tables: a CSV or Parquet file under the data root, or one of those that come with scikit-learn.

    houses = table.examine("houses.csv", target="price", task="regression")   # a Table, which specs name

What networks see is fitted on the training rows of a data seed alone: which rows those are, what stands for missing
numbers, and how columns are scaled. The data digest of a record is that of the fitted numbers.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch

from raydensity.data.columns import Encoded, encode
from raydensity.data.dataset import Arrays, Description, Source
from raydensity.data.files import MissingFiles
from raydensity.data.fitting import Fitted, fitted, ordered
from raydensity.spec import Table

EMBEDDED = "scikit-learn/"
TOYS = ("iris", "wine", "breast_cancer", "diabetes")
MISSING = ["?", "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
SNIFFED = 20  # lines of a file that show how it is written


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
    files = tuple(_path(name, root) for name in (source, test_source) if name and not name.startswith(EMBEDDED))
    return _counted(asked, root, tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files))


@cache
def _counted(asked: Table, root: Path, stamps: tuple[int, ...]) -> Table:
    """The table with what its files hold; `stamps` say which state of them that is."""
    found, test_rows, digest = _read(asked, root)
    counts = {"rows": len(found.answers) - test_rows, "test_rows": test_rows, "inputs": found.inputs.shape[1]}
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

    def verify(root: Path) -> None:
        _verified(options, root)

    return Source(description, partial(read, options, data_seed), verify=verify)


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
    seen: Fitted = fitted(found, training=train[:-validation])

    def tensors(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(seen.inputs[rows]), torch.from_numpy(seen.answers[rows])

    return Arrays(*tensors(train), *tensors(np.sort(test)))


def _verified(options: Table, root: Path) -> Encoded:
    """The whole table. ValueError if it is another one than the options say."""
    found, test_rows, digest = _read(options, root)
    if digest != options.digest:
        raise ValueError(f"{options.source}: the file has changed since this grid was made, or another one is there")
    assert (test_rows, found.inputs.shape[1]) == (options.test_rows, options.inputs)
    return found


def _read(options: Table, root: Path) -> tuple[Encoded, int, str]:
    """The table with the test rows last, how many these are, and the digest of the files."""
    if options.source.startswith(EMBEDDED):
        frame, digest = _embedded(options)
        return _encoded(options, frame, 1), 0, digest
    path = _path(options.source, root)
    frame, first_row = read_frame(path, target=options.target)
    hashed = hashlib.sha256(path.read_bytes())
    test_rows = 0
    if options.test_source:
        test_path = _path(options.test_source, root)
        test, _ = read_frame(test_path, target=options.target)
        if list(test.columns) != list(frame.columns):
            raise ValueError(f"{test_path}: its columns are not those of {path.name}")
        _without_full_stops(test, frame)
        hashed.update(test_path.read_bytes())
        test_rows = len(test)
        frame = pd.concat([frame, test], ignore_index=True)
    return _encoded(options, frame, first_row), test_rows, hashed.hexdigest()


def _encoded(options: Table, frame: pd.DataFrame, first_row: int) -> Encoded:
    try:
        return encode(
            frame,
            target=options.target,
            task=options.task,
            dropped=options.dropped,
            categorical=options.categorical,
            first_row=first_row,
        )
    except ValueError as error:
        raise ValueError(f"{options.source}: {error}") from None


def _path(name: str, root: Path) -> Path:
    """Where a file lies. ValueError for one outside the data root, or that is no table."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"{name}: tables are files under the data root, {root}, named from there")
    return root / pure


def _without_full_stops(test: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Take the full stop from the end of texts that the other table has without one, as in the test rows of adult."""
    for name in test.select_dtypes(object).columns:
        short = test[name].str.removesuffix(".")
        known = set(frame[name].dropna())
        if not known.issuperset(test[name].dropna()) and known.issuperset(short.dropna()):
            test[name] = short


def read_frame(path: Path, *, target: str = "") -> tuple[pd.DataFrame, int]:
    """A table as it is written, and the number of its first row of data in the file.

    Columns are called as the header of a CSV file says, else by their number from 1. The first row is a header if it
    has the target; if it has not, and the target is no number, where none of its cells is a number. What separates
    columns is found out. Text has no blanks around it.
    """
    if not path.is_file():
        raise MissingFiles(f"{path} is missing")
    first_row = 1
    try:
        if path.suffix.lower() == ".parquet":
            known = pq.read_schema(path).pandas_metadata or {}  # numbers that are categories are so there alone
            named = [each["name"] for each in known.get("columns", []) if each["pandas_type"] == "categorical"]
            frame = pd.read_parquet(path).reset_index(drop=True).astype(dict.fromkeys(named, "category"))
        else:
            with path.open(encoding="utf-8") as file:
                lines = [line for line in islice(file, SNIFFED) if line.strip()]
            if not lines:
                raise ValueError("it is empty")
            separator = _separator(lines)
            names = _cells(lines[0], separator)
            header = 0 if target in names or (not target.isdigit() and _is_header(names)) else None
            if header == 0:
                _check_names(names)
            first_row += header is not None
            frame = pd.read_csv(
                path,
                sep=separator,
                header=header,
                skipinitialspace=True,
                na_values=MISSING,
                keep_default_na=False,
                low_memory=False,
            )
            if not isinstance(frame.index, pd.RangeIndex):  # so pandas takes what stands before the last columns
                raise ValueError("its rows have more cells than its header")
    except (ValueError, OSError) as error:  # pandas and pyarrow raise kinds of the first
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as a table: {reason}") from None
    frame.columns = [str(name + 1) if isinstance(name, int) else str(name).strip() for name in frame.columns]
    try:
        _check_names(list(frame.columns))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from None
    for name in frame.columns:
        kind = frame[name].dtype
        if pd.api.types.is_object_dtype(kind) or isinstance(kind, pd.StringDtype | pd.CategoricalDtype):
            text = frame[name].astype("string").str.strip()
            text = text.astype(object).where(text.notna() & ~text.isin(MISSING), np.nan)
            frame[name] = text.astype("category") if isinstance(kind, pd.CategoricalDtype) else text
    return frame, first_row


def _check_names(names: Sequence[str]) -> None:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"two columns are called {twice[0]!r}")


def _separator(lines: Sequence[str]) -> str:
    """What parts most of the first rows into as many cells, and into the most; blanks where nothing else does."""
    found: dict[tuple[int, int], str] = {}
    for separator in ("|", "\t", ";", ","):
        cells, agreeing = Counter(len(row) for row in csv.reader(lines, delimiter=separator)).most_common(1)[0]
        if cells > 1:
            found[agreeing, cells] = separator
    return found[max(found)] if found else r"\s+"


def _cells(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _is_header(cells: Sequence[str]) -> bool:
    """Whether none of the cells is a number."""
    return bool(pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").isna().all())


def _embedded(options: Table) -> tuple[pd.DataFrame, str]:
    """A table that comes with scikit-learn, and its digest."""
    from sklearn import datasets  # here, since importing it takes a second

    name = options.source.removeprefix(EMBEDDED)
    if name not in TOYS:
        raise ValueError(f"{options.source}: scikit-learn has {', '.join(TOYS)}")
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    digest = hashlib.sha256(np.ascontiguousarray(frame.to_numpy(dtype=np.float64)).tobytes()).hexdigest()
    return frame, digest
