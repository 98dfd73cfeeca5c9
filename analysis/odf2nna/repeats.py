"""What the repeats of a data set have in common: their test rows, or none that are fixed."""

from __future__ import annotations

import json

import pandas as pd

from raydensity.spec.datasets import Table


def drawn_anew(originals: pd.DataFrame) -> pd.Series:
    """By data set how many test rows there are for each training row, where every repeat draws them anew; else 0.

    `originals` have their `spec` as JSON: tables without a file of test rows draw them, all other data have theirs.
    """
    specs = originals.groupby("dataset", sort=False)["spec"].first()
    return specs.map(lambda spec: _drawn(json.loads(spec)["dataset"])).astype(float)


def _drawn(dataset: object) -> float:
    if not isinstance(dataset, dict) or dataset["name"] != "table":
        return 0.0
    known = Table.model_validate(dataset)
    return known.tested / known.fitted if known.draws_test_rows else 0.0
