"""Records of sparse networks made by hand, for tests that train nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from raydensity.record import RECORD_VERSION, SCHEMA


def searched(rows: Sequence[tuple[str, int, float, str]]) -> pa.Table:
    """One cohort of the search: structure, nonzeros, accuracy and digest of the initial weights of each network."""
    table = [
        {
            "network_id": f"{number:020x}",
            "cohort_id": "c" * 20,
            "record_version": RECORD_VERSION,
            "dataset": "spiral",
            "sparsity": "explicit",
            "structure": structure,
            "initial_weights": weights,
            "status": "finished",
            "nonzeros": nonzeros,
            "validation_accuracy": accuracy,
        }
        for number, (structure, nonzeros, accuracy, weights) in enumerate(rows)
    ]
    return pa.Table.from_pylist(table, schema=SCHEMA)
