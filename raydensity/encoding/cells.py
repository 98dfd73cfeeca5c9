"""The cells of a table's column: as text without blanks, as numbers, or as categories and what these are called.

Columns are pandas Series of any type; their index says which rows they are, in a file by number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = ["?", "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
LARGEST = float(np.finfo(np.float32).max)


def tidied(column: pd.Series) -> pd.Series:
    """Text as a column of categories, without blanks around it, and with nothing where it is one of MISSING.

    Each text is held once, not in every row. Other columns stay as they are; categories that are numbers become these.
    """
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        if pd.api.types.is_numeric_dtype(kind.categories) and not pd.api.types.is_bool_dtype(kind.categories):
            return column.astype(np.float64 if column.isna().any() else kind.categories.dtype)
        codes, texts = column.cat.codes.to_numpy(), kind.categories.astype("string")
    elif pd.api.types.is_object_dtype(kind) or isinstance(kind, pd.StringDtype):
        codes, texts = pd.factorize(column.astype("string"))
    else:
        return column
    short = pd.Series(texts, dtype="string").str.strip()
    merged, names = pd.factorize(short.mask(short.isin(MISSING)))
    own = pd.Categorical.from_codes(np.append(merged, -1)[codes], names.astype(object))  # of -1 the last, -1
    return pd.Series(own.remove_unused_categories(), index=column.index, name=column.name)


def is_text(column: pd.Series) -> bool:
    """Whether a tidied column is of text."""
    return isinstance(column.dtype, pd.CategoricalDtype)


def is_time(column: pd.Series) -> bool:
    """Whether a column is of points in time, or of durations."""
    return pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column)


def cell(column: pd.Series, row: int) -> str:
    """A cell as it is shown in messages; `row` counts from 0."""
    return repr(str(column.iloc[row]))


def numbers(column: pd.Series, *, needed: str = "this column takes (as 1234.5)") -> NDArray[np.float64]:
    """The numbers of a tidied column, NaN where there is none.

    ValueError, in one line that names column and row, for times, for text that is no number, and for what is too large
    for float32; `needed` says in it who asks for numbers.
    """
    if is_time(column):
        raise ValueError(f"column {column.name!r} holds times, and no numbers, which {needed}")
    if is_text(column):
        codes = column.cat.codes.to_numpy()
        known = pd.to_numeric(pd.Series(column.cat.categories, dtype=object), errors="coerce")
        values = np.append(known.to_numpy(dtype=np.float64), np.nan)[codes]
        refuse(column, np.isnan(values) & (codes >= 0), f"is no number, which {needed}")
    else:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    refuse(column, np.abs(values) > LARGEST, "is too large a number")
    return values


def refuse(column: pd.Series, bad: NDArray[np.bool_], why: str) -> None:
    """ValueError for the first of the `bad` [rows] cells, if there is one."""
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"column {column.name!r}, row {column.index[row]}: {cell(column, row)} {why}")


def categories(column: pd.Series) -> tuple[NDArray[np.signedinteger], pd.Index]:
    """The different values of a tidied column, and which of them each row has: int [rows], -1 where it has none."""
    if is_text(column):
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, values = pd.factorize(column)
    return codes, pd.Index(values)


def called(values: pd.Index) -> list[str]:
    """What categories are called. A whole number is called the same whether it is held as one or, since other rows of
    its column lack one, as a fraction."""
    if pd.api.types.is_float_dtype(values):
        return [f"{value:.0f}" if value.is_integer() else str(value) for value in values]
    return [str(value) for value in values]


def numbers_called(names: Sequence[str]) -> list[str]:
    """What the numbers that texts are written as are called; a text that is no number keeps its name."""
    found = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce")
    return [
        own if known else name for own, known, name in zip(called(pd.Index(found)), found.notna(), names, strict=True)
    ]
