"""Reading tables: CSV files however they are written, and Parquet files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from raydensity.encoding.cells import MISSING
from raydensity.errors import MissingFiles

SNIFFED = 20  # lines of a file that show how it is written
CELLS = 8_000_000  # of a file that are read at a time
EXACT = 2**53  # the largest integer up to which float64 has all


def read_frame(path: Path, *, header: Collection[str] = (), texts: Collection[str] = ()) -> pd.DataFrame:
    """A table as it is written; its index has the numbers of its rows in the file.

    Columns are called as the first row of a CSV file says, else by their number from 1. That row is a header if it has
    all names of `header`; if it has not, and these are no numbers, where none of its cells is a number. What separates
    columns is found out. Columns named in `texts` are read as text even where it looks like numbers.

    Raises MissingFiles where there is no file, and ValueError, in one line, where it cannot be read.
    """
    if not path.is_file():
        raise MissingFiles(f"{path} is missing")
    try:
        frame = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path, header, texts)
        return named(frame)
    except (ValueError, OSError) as error:  # pandas and pyarrow raise kinds of the first
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as a table: {reason}") from None


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with texts as names of its columns, those without one by their number from 1.

    ValueError where two are called the same.
    """
    names = [str(name + 1) if isinstance(name, int) else str(name).strip() for name in frame.columns]
    _check_names(names)
    return frame.set_axis(names, axis=1)


def _parquet(path: Path) -> pd.DataFrame:
    schema = pq.read_schema(path)
    known = schema.pandas_metadata or {}
    names = [name for name in schema.names if name not in known.get("index_columns", [])]
    # Numbers that are categories are so in what pandas has noted alone.
    kinds = {each["field_name"]: each["pandas_type"] for each in known.get("columns", [])}
    columns = {}
    for name in names:  # by itself: Arrow and pandas have each their own of what is read together
        column = pd.read_parquet(path, columns=[name]).iloc[:, 0].reset_index(drop=True)
        columns[name] = column.astype("category") if kinds.get(name) == "categorical" else column
    frame = pd.DataFrame(columns, copy=False)
    frame.columns = schema.empty_table().to_pandas().columns
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis=0)


def _csv(path: Path, header: Collection[str], texts: Collection[str]) -> pd.DataFrame:
    with path.open(encoding="utf-8") as file:
        lines = [line for line in islice(file, SNIFFED) if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    separator = _separator(lines)
    names = _cells(lines[0], separator)
    numbered = bool(header) and all(name.isdigit() for name in header)
    has_header = (bool(header) and set(header) <= set(names)) or (not numbered and _is_header(names))
    if has_header:
        _check_names(names)
    else:
        names = [str(number) for number in range(1, len(names) + 1)]
    frame = _joined(
        path,
        rows=max(1, CELLS // len(names)),
        sep=separator,
        header=0 if has_header else None,
        skipinitialspace=True,
        na_values=MISSING,
        keep_default_na=False,
        low_memory=False,
        dtype={place: str for place, name in enumerate(names) if name in texts},
    )
    first = 1 + has_header
    return frame.set_axis(pd.RangeIndex(first, len(frame) + first), axis=0)


def _joined(path: Path, *, rows: int, **options: Any) -> pd.DataFrame:
    """What `pandas.read_csv` gives, so many rows at a time: the cells of a whole file take several times what they
    become."""
    with pd.read_csv(path, chunksize=rows, **options) as reader:
        parts = list(reader)
    if not all(isinstance(part.index, pd.RangeIndex) for part in parts):  # pandas takes what is before the last columns
        raise ValueError("its rows have more cells than its header")
    names = list(parts[0].columns) if parts else []
    if not parts or not all(_is_as_whole([part[name] for part in parts]) for name in names):
        del parts
        return pd.read_csv(path, **options)
    return pd.DataFrame({name: pd.concat([part.pop(name) for part in parts]) for name in names}, copy=False)


def _is_as_whole(parts: Sequence[pd.Series]) -> bool:
    """Whether a column that was read in parts is as if it had been read at once: none of them looks otherwise than the
    others, such as 01 and 1a."""
    kinds = {part.dtype for part in parts}
    if kinds <= {np.dtype(np.int64), np.dtype(np.float64)}:  # an integer that float64 has not is rounded as it is read
        whole = [part for part in parts if part.dtype == np.int64]
        return len(kinds) == 1 or all(part.between(-EXACT, EXACT).all() for part in whole)
    with_cells = {part.dtype for part in parts if part.notna().any()}
    return len(with_cells) == 1 and np.dtype(object) not in with_cells


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
