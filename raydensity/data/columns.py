"""What the columns of a table are, numbers or categories, and the inputs that they become.

Every fault is one line that names the column and, where there is one, the row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_CATEGORIES = 100  # of a column of text: beyond, or where most rows have one of their own, it names the row
LARGEST = float(np.finfo(np.float32).max)
ROWS_PER_CLASS = 3  # at least, on average: to train, validate and test on
FEWEST_ROWS = 10


class Encoded(NamedTuple):
    """Inputs [rows, inputs] in float64, NaN where a number is missing, and what is to be answered [rows].

    `numbers` [inputs] says which inputs are numbers, to be standardised; the others are 0 or 1. Answers are the numbers
    of classes, or float64. `names` are those of the inputs, `classes` those of the answers (none in a regression).
    """

    inputs: NDArray[np.float64]
    answers: NDArray
    numbers: NDArray[np.bool_]
    names: list[str]
    classes: list[str]


def encode(
    frame: pd.DataFrame,
    *,
    target: str,
    task: str,
    dropped: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    first_row: int = 1,
) -> Encoded:
    """The columns of a table as inputs and answers. ValueError, in one line, for what makes no sense.

    A number is one input, and where some are missing a second one says so. A category is one input each; a missing one
    is none of them. `first_row` is the number of the first row in its file.
    """
    for what, named in (("target", (target,)), ("dropped", dropped), ("categorical", categorical)):
        for name in named:
            if name not in frame.columns:
                raise ValueError(f"{what}: there is no column {name!r}; there is {', '.join(frame.columns)}")
    if len(frame) < FEWEST_ROWS:
        raise ValueError(f"there are {len(frame)} rows; at least {FEWEST_ROWS} are needed")
    answers, classes = _answers(frame[target], task, first_row)
    inputs: list[NDArray] = []
    numbers: list[bool] = []
    names: list[str] = []
    for name in frame.columns.drop([target, *dropped]):
        column = frame[name]
        if column.nunique(dropna=False) < 2:
            raise ValueError(f"column {name!r} is constant, {_cell(column, 0)} in all rows: leave it out (dropped)")
        if name in categorical or _is_text(column, first_row):
            own = _categories(column)
            if 2 * len(own.categories) > len(frame):
                raise ValueError(
                    f"column {name!r} has {len(own.categories):,} different texts in {len(frame):,} rows: leave it out "
                    "(dropped)"
                )
            inputs += [own.codes == code for code in range(len(own.categories))]
            names += [f"{name} = {category}" for category in own.categories]
            numbers += [False] * len(own.categories)
            continue
        values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        _check_size(column, values, first_row)
        inputs.append(values)
        names.append(name)
        numbers.append(True)
        if (missing := np.isnan(values)).any():
            inputs.append(missing)
            names.append(f"{name} is missing")
            numbers.append(False)
    if not inputs:
        raise ValueError(f"no column is left to answer {target!r} from")
    return Encoded(np.column_stack(inputs).astype(np.float64), answers, np.array(numbers), names, classes)


def _answers(column: pd.Series, task: str, first_row: int) -> tuple[NDArray, list[str]]:
    missing = column.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"target: column {column.name!r} has nothing in {missing.sum():,} rows, the first of them row "
            f"{first_row + int(missing.argmax())}: leave these rows out"
        )
    if column.nunique() < 2:
        raise ValueError(f"target: column {column.name!r} is constant, {_cell(column, 0)} in all rows")
    if task == "regression":
        values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.isnan(values)
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"target: column {column.name!r}, row {first_row + row}: {_cell(column, row)} is no number, which a "
                "regression needs (task=classification for classes)"
            )
        _check_size(column, values, first_row)
        return values, []
    found = _categories(column)
    if len(column) < ROWS_PER_CLASS * len(found.categories):
        raise ValueError(
            f"target: column {column.name!r} has {len(found.categories):,} classes in {len(column):,} rows, and needs "
            f"{ROWS_PER_CLASS} rows a class on average (task=regression for numbers)"
        )
    return found.codes.astype(np.int64), [str(each) for each in found.categories]


def _check_size(column: pd.Series, values: NDArray[np.float64], first_row: int) -> None:
    bad = np.abs(values) > LARGEST
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"column {column.name!r}, row {first_row + row}: {_cell(column, row)} is too large a number")


def _is_text(column: pd.Series, first_row: int) -> bool:
    """Whether a column is of text. ValueError where it is partly of numbers, of numbers that are not written as such,
    of times, or has too many different texts."""
    if pd.api.types.is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        raise ValueError(f"column {column.name!r} holds times: make numbers of them, or leave it out (dropped)")
    if pd.api.types.is_numeric_dtype(column):
        return False
    there = column.notna()
    is_number = pd.to_numeric(column, errors="coerce").notna()
    if not is_number[there].any():
        decorated = column[there].astype(str).str.replace(r"[\s,$€£%]", "", regex=True)
        if pd.to_numeric(decorated, errors="coerce").notna().all():
            row = int(there.to_numpy().argmax())
            raise ValueError(
                f"column {column.name!r}, row {first_row + row}: {_cell(column, row)} is not how a number is written, "
                "which is as 1234.5: mend it, or name the column categorical"
            )
        count = column.nunique()
        if count > MOST_CATEGORIES:
            raise ValueError(
                f"column {column.name!r} has {count:,} different texts, more than {MOST_CATEGORIES}: leave it out "
                "(dropped)"
            )
        return True
    bad = (there & ~is_number).to_numpy()
    if not bad.any():
        return False
    row, others = int(bad.argmax()), int(is_number.sum())
    raise ValueError(
        f"column {column.name!r}, row {first_row + row}: {_cell(column, row)} is no number, and {others:,} others "
        "are: mend it, or name the column categorical"
    )


def _cell(column: pd.Series, row: int) -> str:
    return repr(str(column.iloc[row]))


def _categories(column: pd.Series) -> pd.Categorical:
    """Sorted categories of any kind, by what they are called."""
    return pd.Categorical(column.astype(str).where(column.notna()))
