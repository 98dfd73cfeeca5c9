"""Records of the ODF2NNA study made by hand, and their tables, for tests that train nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.odf2nna.methods import LOOKS, OURS
from analysis.odf2nna.networks import PAPERS, prepare
from analysis.odf2nna.tables import Tables
from analysis.runs import Runs
from raydensity.record import SCHEMA
from raydensity.spec import Table
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES

BEFORE = 1000  # parameters of every original
EPOCHS = 100
TOTAL = 115  # with the paper's refinement
FIXED = {"test_rows": 40}  # of a table: a file of test rows, the same for all repeats


def row(dataset="iris", repeat=0, **own) -> dict[str, Any]:
    """A record's row; `validation` and `test` are its scores, `table` the options of its data, 100 rows by default.

    By default an original; one with a `sparsity` trains as long as an original and its refinement.
    """
    task = own.pop("task", "classification")
    options = {"source": "any.csv", "target": "y", "rows": 100, "inputs": 4, "classes": 3, "digest": ""}
    table = Table(title=dataset, task=task, **options | own.pop("table", {}))
    found = dict.fromkeys(SCHEMA.names)
    found |= {
        "network_id": f"{len(str(own))}{hash((dataset, repeat, str(own))):x}",
        **{"dataset": dataset, "task": task, "hidden": "9-9", "learning_rate": 1e-3, "batch_size": 16},
        **{"initializer": "he_uniform", "precision": "fp32", "max_epochs": EPOCHS, "status": "finished"},
        **{"epochs": TOTAL if own.get("sparsity") else EPOCHS, "converged": True},
        **{"init_seed": repeat, "data_seed": repeat, "parameters": BEFORE, "git_commit": "", "git_dirty": False},
        **{"compression": "", "sparsity": "", "criterion": "", "level": 0.0, "compensation": "", "refinement": 0.0},
        **{"scored_on": "", "nonzeros_asked": 0, "spec": json.dumps({"dataset": table.model_dump(mode="json")})},
    }
    for part in ("validation", "test"):
        score = own.pop(part, 0.9)
        for prefix, value in (("", score), ("removed_", own.pop(f"removed_{part}", score))):
            regression = task == "regression"
            found[f"{prefix}{part}_loss"] = value if regression else 1 - value
            found[f"{prefix}{part}_accuracy"] = None if regression else value
    return found | own


def smaller(method=OURS, level=0.5, left=400, **own) -> dict[str, Any]:
    """A compressed network, of which `left` parameters are left."""
    rule = {"compression": method, "criterion": "share", "level": level, "compensation": "mean", "refinement": PAPERS}
    return row(**{**rule, "scored_on": "validation", "parameters_after": left, "units_left": [4, 4], **own})


def trained_on(**own) -> dict[str, Any]:
    """An original that lost nothing, and trained on."""
    return smaller(**{"level": 0.0, "left": BEFORE, "units_left": [9, 9], **own})


def tables_of(rows: list[dict[str, Any]], scale: str = "quick") -> Tables:
    frame = pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()
    return Tables(prepare(Runs("odf2nna", scale, "s" * 20, "2026-11-22T00:00:00", len(rows), frame)))


def of(table: pd.DataFrame, **where) -> pd.Series:
    """The one row where columns have these values."""
    for column, value in where.items():
        table = table[table[column].eq(value)]
    [found] = table.to_dict("records")
    return pd.Series(found)


LEVELS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
SETS = {  # score of the original, and how much it varies over repeats
    **{"iris": (0.95, 0.04), "wine": (0.97, 0.03), "breast_cancer": (0.96, 0.02), "wisconsin": (0.96, 0.015)},
    **{"digits": (0.95, 0.006), "adult": (0.85, 0.002), "mnist": (0.975, 0.001)},
    **{"diabetes": (0.55, 0.08), "abalone": (0.44, 0.02), "california": (0.22, 0.006)},
}
REGRESSIONS = ("diabetes", "abalone", "california")


def sweep(repeats: int = 5, datasets: tuple[str, ...] = tuple(SETS), *, controls: bool = True) -> list[dict[str, Any]]:
    """A whole sweep: every method at six levels on every data set; and the controls, where they are wanted."""
    random = np.random.default_rng(0)
    rows = []
    for dataset in datasets:
        usual, deviation = SETS[dataset]
        regression = dataset in REGRESSIONS
        sign = -1 if regression else 1
        harm = {method: random.uniform(0.2, 2.0) for method in [*LOOKS, "scratch"]} | {OURS: 0.4}
        for repeat in range(repeats):
            luck = random.normal(0, deviation)
            common: dict[str, Any] = {"dataset": dataset, "repeat": repeat}
            common |= {"task": "regression" if regression else "classification", "table": {"classes": 3}}
            if dataset in ("adult", "mnist"):
                common["table"] = FIXED

            def scores(loss, common=common, usual=usual, luck=luck, deviation=deviation, sign=sign):
                found = {
                    part: usual + luck - sign * (loss + random.normal(0, deviation / 4))
                    for part in ("validation", "test", "removed_validation", "removed_test")
                }
                return common | {part: value if sign < 0 else min(value, 1.0) for part, value in found.items()}

            rows.append(row(**scores(0)))
            if controls:
                rows.append(trained_on(**scores(-deviation / 5)))
            for number, level in enumerate(LEVELS):
                left, units, weights = (
                    int(BEFORE * (1 - level) ** 1.6) + 20,
                    [9 - number, 9 - number],
                    700 - 100 * number,
                )
                worse = deviation * level**4 * 3
                for method, own in LOOKS.items():
                    found = scores(harm[method] * worse - deviation / 4)
                    size = {"units_left": units, "weights_in_mask": weights}
                    if own.family == "weights from the start":
                        size = {"sparsity": method, "nonzeros_asked": weights, "parameters_after": left}
                        rows.append(row(**found, **size))
                    else:
                        by_score = method in UNIT_SCORES
                        compensation = "mean" if by_score else "none"
                        if not by_score and method not in UNIT_MERGES:
                            size["units_left"] = [9, 9]
                        rows.append(smaller(method, level, left, compensation=compensation, **found, **size))
                rows.append(
                    row(**scores(harm["scratch"] * worse), sparsity="units", units_left=units, parameters_after=left)
                )
                if controls:
                    size = {"sparsity": "random", "nonzeros_asked": weights, "parameters_after": left}
                    rows.append(row(**scores(1.5 * harm["scratch"] * worse), **size))
    return rows
