"""What one column of a table becomes: inputs of a network, by numbers that were fitted to training rows."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from raydensity.encoding.cells import called, categories, is_text, numbers, numbers_called, tidied
from raydensity.spec.frozen import Frozen

Place = Annotated[int, Field(ge=0)]
Values = Literal["texts", "numbers", "booleans"]


class NumberColumn(Frozen):
    """A column of numbers: input `input` is (number - `mean`) / `scale`, with `median` where the number is missing.

    Input `missing_input` is 1 where it is, else 0; None: no training row lacked one, so no input says it.
    """

    kind: Literal["number"] = "number"
    name: str
    input: Place
    median: float
    mean: float
    scale: Annotated[float, Field(gt=0)]
    missing_input: Place | None = None

    @property
    def places(self) -> list[int]:
        return [place for place in (self.input, self.missing_input) if place is not None]

    def write(self, column: pd.Series, inputs: NDArray[np.float32]) -> None:
        """The column's own inputs [rows, inputs]. ValueError, in one line, for text and for what is too large."""
        values = numbers(tidied(column))
        missing = np.isnan(values)
        inputs[:, self.input] = (np.where(missing, self.median, values) - self.mean) / self.scale
        if self.missing_input is not None:
            inputs[:, self.missing_input] = missing


class CategoryColumn(Frozen):
    """A column of categories: the input of a row's category is 1. Where nothing is, or a category that no training row
    has, none is.

    `values` says how they are told apart: as texts, to the letter; as numbers, however written; or as booleans.
    """

    kind: Literal["category"] = "category"
    name: str
    values: Values
    inputs: dict[str, Place]

    @property
    def places(self) -> list[int]:
        return list(self.inputs.values())

    def write(self, column: pd.Series, inputs: NDArray[np.float32]) -> None:
        """The column's own inputs [rows, inputs], which are 0 before."""
        column = tidied(column)
        codes, found = categories(column)
        names = called(found)
        if self.values == "numbers" and is_text(column):
            names = numbers_called(names)
        elif self.values == "booleans":
            names = [name.capitalize() for name in names]
        # Of rows that have no code, the last.
        places = np.array([*(self.inputs.get(name, -1) for name in names), -1])[codes]
        rows = np.flatnonzero(places >= 0)
        inputs[rows, places[rows]] = 1


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="kind")]


def values_of(column: pd.Series) -> Values:
    """How the categories of a tidied column are told apart."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return "numbers"
    # Truth values that some rows lack are no booleans in pandas, and texts that say the same are read as booleans.
    return "booleans" if {"True", "False"}.issuperset(called(categories(column)[1])) else "texts"
