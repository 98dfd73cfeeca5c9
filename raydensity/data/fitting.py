"""What is fitted to a table's training rows: the order of rows by which they are parted, and scales of columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raydensity.data.columns import Found
from raydensity.encoding import Answer, CategoryColumn, Classes, NumberColumn, Quantity, TableEncoding
from raydensity.encoding.cells import called, categories, numbers
from raydensity.randomness import sampler


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


def fitted(table: Found, *, target: str, training: NDArray[np.int64]) -> TableEncoding:
    """What networks see of a table, by its training rows alone.

    Numbers, and the answers of a regression, get mean 0 and standard deviation 1 there; a missing number counts as the
    median. Categories that no training row has are left out: their weights would never be trained.
    """
    from sklearn.impute import SimpleImputer  # here, since importing it takes a second
    from sklearn.preprocessing import StandardScaler

    columns: list[NumberColumn | CategoryColumn] = []
    place = 0
    for column in table.columns:
        own = table.frame[column.name].iloc[training]
        if column.categories:
            codes, values = categories(own)
            seen = set(called(values[np.unique(codes[codes >= 0])]))
            places = {name: place + number for number, name in enumerate(column.categories) if name in seen}
            columns.append(CategoryColumn(name=column.name, values=column.values, inputs=places))
        else:
            # One column at a time: together they would be in memory several times over.
            given = numbers(own)
            imputer = SimpleImputer(strategy="median", keep_empty_features=True)
            scaler = StandardScaler().fit(imputer.fit_transform(given[:, None]))
            columns.append(
                NumberColumn(
                    name=column.name,
                    input=place,
                    median=imputer.statistics_[0],
                    mean=scaler.mean_[0],
                    scale=scaler.scale_[0],
                    missing_input=place + 1 if np.isnan(given).any() else None,
                )
            )
        place += column.inputs
    answer: Answer
    if table.classes:
        answer = Classes(names=table.classes)
    else:
        scaler = StandardScaler().fit(table.answers[training, None])
        answer = Quantity(mean=scaler.mean_[0], scale=scaler.scale_[0])
    return TableEncoding(inputs=place, columns=tuple(columns), target=target, answer=answer)
