"""What the inputs and the answers of a network mean, as JSON that stands beside an exported one, and how to use it.

    encoder = encoding.parse(text)                # of a record's exported_encoding, or MLflow's encoding.json
    rows = encoder.read("new-houses.csv")         # of a table; or any pandas DataFrame with its columns
    inputs = encoder.encode(rows)                 # float32, what the network takes
    answers = encoder.answers(logits)             # in the target's units, or names of classes

All of it was fitted to the training rows of one data seed, and training makes its own inputs with it. It needs numpy
and pandas, neither torch nor Ray.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from raydensity.encoding.answers import Answer, Classes, Quantity
from raydensity.encoding.arrays import ArrayEncoding
from raydensity.encoding.columns import CategoryColumn, NumberColumn
from raydensity.encoding.images import ImageEncoding
from raydensity.encoding.table import TableEncoding

__all__ = [
    "Answer",
    "ArrayEncoding",
    "CategoryColumn",
    "Classes",
    "Encoding",
    "ImageEncoding",
    "NumberColumn",
    "Quantity",
    "TableEncoding",
    "parse",
]

Encoding = Annotated[TableEncoding | ImageEncoding | ArrayEncoding, Field(discriminator="kind")]


def parse(text: str | bytes) -> TableEncoding | ImageEncoding | ArrayEncoding:
    """An encoding from its JSON. Raises ValueError, in one line, for anything else."""
    try:
        return TypeAdapter(Encoding).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise ValueError(f"this is no encoding of a network's inputs: {where}: {first['msg']}") from None
