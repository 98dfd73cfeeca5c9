"""What is fitted to a table's training rows: the order of rows by which they are parted, and scales of columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raydensity.data.columns import Encoded
from raydensity.randomness import sampler


class Fitted(NamedTuple):
    """Inputs float32 [rows, inputs] without missing numbers, and answers: int64, or float32 of a regression."""

    inputs: NDArray[np.float32]
    answers: NDArray


def ordered(classes: NDArray, data_seed: int) -> NDArray[np.int64]:
    """An order of all rows of which every stretch has its share of each class, drawn by `data_seed`.

    The rows of a class stand at equal distances, in an order and from a start that are drawn.
    """
    source = sampler(data_seed, "table", "rows")
    places = np.empty(len(classes))
    for each in np.unique(classes):
        own = source.permutation(np.flatnonzero(classes == each))
        places[own] = (np.arange(len(own)) + source.random()) / len(own)
    return np.argsort(places, kind="stable")


def fitted(table: Encoded, *, training: NDArray[np.int64]) -> Fitted:
    """All rows, scaled by the training rows alone.

    Numbers, and the answers of a regression, get mean 0 and standard deviation 1 there; a missing number counts as the
    median. Categories that no training row has are left out: their weights would never be trained.
    """
    from sklearn.impute import SimpleImputer  # here, since importing it takes a second
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, numbers = table.inputs.copy(), table.numbers
    if numbers.any():
        scale = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        inputs[:, numbers] = scale.fit(inputs[training][:, numbers]).transform(inputs[:, numbers])
    inputs[:, ~numbers] *= inputs[training][:, ~numbers].any(axis=0)
    answers = table.answers
    if not table.classes:
        answers = StandardScaler().fit(answers[training, None]).transform(answers[:, None])[:, 0].astype(np.float32)
    return Fitted(inputs.astype(np.float32), answers)
