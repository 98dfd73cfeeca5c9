"""The encoding of a table: rows of columns as inputs, and answers in words or units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from raydensity.encoding.answers import Answer
from raydensity.encoding.columns import CategoryColumn, Column
from raydensity.encoding.reading import named, read_frame
from raydensity.spec.frozen import Frozen


class TableEncoding(Frozen):
    """What a network that was trained on a table takes and answers, fitted to the training rows of a data seed.

    `columns` are those it takes, each with its places among the `inputs`; what none of them has is always 0.
    `target` is the column that it answers.
    """

    kind: Literal["table"] = "table"
    inputs: Annotated[int, Field(ge=1)]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    target: str
    answer: Answer

    @model_validator(mode="after")
    def _each_has_its_own_place(self) -> Self:
        places = [place for column in self.columns for place in column.places]
        if len(set(places)) < len(places) or max(places, default=0) >= self.inputs:
            raise ValueError(f"columns: their inputs are not different ones of {self.inputs}")
        return self

    def read(self, path: Path | str) -> pd.DataFrame:
        """A CSV or Parquet file with these columns, as text where they are of text; other columns may be there too.

        The index has the numbers of rows in the file. Raises ValueError, in one line, for what cannot be read.
        """
        texts = [each.name for each in self.columns if isinstance(each, CategoryColumn) and each.values == "texts"]
        return read_frame(Path(path), header=[each.name for each in self.columns], texts=texts)

    def encode(self, rows: pd.DataFrame, *, chosen: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """What the network takes of rows as they are in the table, or of the `chosen` ones, by position from 0: float32
        [rows, inputs].

        Columns may stand in any order, and others beside them. A number that is missing counts as the median; a
        category that is missing, or that no training row has, as none. Raises ValueError, in one line, where a column
        is missing, or has text in place of numbers.
        """
        rows = named(rows)
        names = [column.name for column in self.columns]
        if absent := [name for name in names if name not in rows.columns]:
            raise ValueError(f"there is no column {absent[0]!r}; the network takes {', '.join(names)}")
        inputs = np.zeros((len(rows) if chosen is None else len(chosen), self.inputs), dtype=np.float32)
        for column in self.columns:
            own = rows[column.name]
            column.write(own if chosen is None else own.iloc[chosen], inputs)
        return inputs

    def answers(self, logits: ArrayLike) -> NDArray:
        """What logits [rows, outputs] say: names of classes, or numbers in the target's units: [rows]."""
        return self.answer.of(logits)
