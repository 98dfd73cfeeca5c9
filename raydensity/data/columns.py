"""What the columns of a table are, numbers or categories, and how many inputs they become.

Every fault is one line that names the column and, where there is one, the row.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from raydensity.encoding.cells import called, categories, cell, is_text, is_time, numbers, refuse, tidied
from raydensity.encoding.columns import Values, values_of

MOST_CATEGORIES = 100  # of a column of text: beyond, or where most rows have one of their own, it names the row
ROWS_PER_CLASS = 3  # at least, on average: to train, validate and test on
FEWEST_ROWS = 10


class Column(NamedTuple):
    """A column to answer from: its categories, in the order of their inputs, or numbers, where there are none.

    `values` says how categories are told apart, `missing` whether some rows lack their number.
    """

    name: str
    categories: tuple[str, ...] = ()
    values: Values = "numbers"
    missing: bool = False

    @property
    def inputs(self) -> int:
        """A number is one input, and where some are missing a second one says so. A category is one input each."""
        return len(self.categories) or 1 + self.missing


class Found(NamedTuple):
    """A table whose columns are known: `frame` has those to answer from, tidied (encoding/cells.py).

    `answers` [rows] are numbers of `classes`, int64, or float64 in a regression, which has no classes.
    """

    frame: pd.DataFrame
    columns: list[Column]
    answers: NDArray
    classes: tuple[str, ...]

    @property
    def inputs(self) -> int:
        return sum(column.inputs for column in self.columns)


def examined(
    frame: pd.DataFrame,
    *,
    target: str,
    task: str,
    dropped: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    declared: Collection[str] = (),
) -> Found:
    """What the columns of a table are; its index says which rows they are. ValueError, in one line, for what makes no
    sense.

    Categories are columns of text, those that are named as `categorical`, and those that the file has `declared`.
    """
    for what, named in (("target", (target,)), ("dropped", dropped), ("categorical", categorical)):
        for name in named:
            if name not in frame.columns:
                raise ValueError(f"{what}: there is no column {name!r}; there is {', '.join(frame.columns)}")
    if len(frame) < FEWEST_ROWS:
        raise ValueError(f"there are {len(frame)} rows; at least {FEWEST_ROWS} are needed")
    answers, classes = _answers(tidied(frame[target]), task)
    cells = {name: tidied(frame[name]) for name in frame.columns if name not in (target, *dropped)}
    columns = [_column(own, categorical=name in categorical or name in declared) for name, own in cells.items()]
    if not columns:
        raise ValueError(f"no column is left to answer {target!r} from")
    return Found(pd.DataFrame(cells, copy=False), columns, answers, classes)


def _column(column: pd.Series, *, categorical: bool) -> Column:
    name = str(column.name)
    if column.nunique(dropna=False) < 2:
        raise ValueError(f"column {name!r} is constant, {cell(column, 0)} in all rows: leave it out (dropped)")
    if not categorical and not _is_of_categories(column):
        return Column(name, missing=bool(np.isnan(numbers(column)).any()))
    _, names = _sorted(column)
    if 2 * len(names) > len(column):
        raise ValueError(
            f"column {name!r} has {len(names):,} different texts in {len(column):,} rows: leave it out (dropped)"
        )
    return Column(name, names, values_of(column))


def _sorted(column: pd.Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Categories by what they are called, in the order of that text, and which of them each row has: [rows], -1 where
    it has none."""
    codes, values = categories(column)
    order = pd.Series(values).astype(str).argsort(kind="stable").to_numpy()
    places = np.append(np.argsort(order), -1)
    return places[codes], tuple(called(values[order]))


def _answers(column: pd.Series, task: str) -> tuple[NDArray, tuple[str, ...]]:
    missing = column.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"target: column {column.name!r} has nothing in {missing.sum():,} rows, the first of them row "
            f"{column.index[int(missing.argmax())]}: leave these rows out"
        )
    if column.nunique() < 2:
        raise ValueError(f"target: column {column.name!r} is constant, {cell(column, 0)} in all rows")
    if task == "regression":
        return numbers(column, needed="a regression needs of its target (task=classification for classes)"), ()
    codes, names = _sorted(column)
    if len(column) < ROWS_PER_CLASS * len(names):
        raise ValueError(
            f"target: column {column.name!r} has {len(names):,} classes in {len(column):,} rows, and needs "
            f"{ROWS_PER_CLASS} rows a class on average (task=regression for numbers)"
        )
    return codes, names


def _is_of_categories(column: pd.Series) -> bool:
    """Whether a tidied column is of text or booleans. ValueError where it is partly of numbers, of numbers that are not
    written as such, of times, or has too many different texts."""
    if is_time(column):
        raise ValueError(f"column {column.name!r} holds times: make numbers of them, or leave it out (dropped)")
    if not is_text(column):
        return pd.api.types.is_bool_dtype(column)
    codes, texts = categories(column)
    is_number = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").notna().to_numpy()
    if is_number.all():
        return False
    of_numbers = np.append(is_number, False)[codes]
    if is_number.any():
        why = f"is no number, and {of_numbers.sum():,} others are: mend it, or name the column categorical"
        refuse(column, ~of_numbers & (codes >= 0), why)
    bare = pd.Series(texts, dtype=object).str.replace(r"[\s,$€£%]", "", regex=True)
    if pd.to_numeric(bare, errors="coerce").notna().all():
        why = "is not how a number is written, which is as 1234.5: mend it, or name the column categorical"
        refuse(column, codes >= 0, why)
    if len(texts) > MOST_CATEGORIES:
        raise ValueError(
            f"column {column.name!r} has {len(texts):,} different texts, more than {MOST_CATEGORIES}: leave it out "
            "(dropped)"
        )
    return True
