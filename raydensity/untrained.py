"""What networks measure as they are initialised, before any training.

Frivolous Units, section 3 (and appendix): in expectation the prunable and the redundant units of randomly initialised
networks are proportional to the width, so that their shares do not depend on it. A sweep trains at least one epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.measures.summary import unit_numbers
from raydensity.measuring import measured_columns
from raydensity.spec import NetworkSpec
from raydensity.training import stack_shared

UNITS = ("prunability", "redundancy", "correlation")


def measure_untrained(
    specs: Sequence[NetworkSpec], *, device: str = "cpu", data_root: Path | None = None
) -> pd.DataFrame:
    """One row a network: network_id, its factors, and columns such as `prunability/all` as `summary.unit_numbers`.

    These are shares of units at the paper's tolerances, on the test images, or the validation images where the data set
    has no others: times the width they are numbers of units. The measures are those that the specs name of prunability,
    redundancy and correlation, or all three where they name none of them. Raises ValueError for a data set that cannot
    be loaded.
    """
    rows = []
    for spec in specs:
        dataset = data.load(spec.dataset, data_root=data_root, device=device)
        own = spec.model_copy(update={"measures": tuple(name for name in UNITS if name in spec.measures) or UNITS})
        description = dataset.description
        cohort = Cohort([own], input_shape=description.input_shape, classes=description.logits, device=device)
        validation = stack_shared([data.split(dataset, spec.data_seed)[1]])
        measured = {"prunability": None, "redundancy": None, "correlation": None}
        measured |= measured_columns(cohort, dataset, validation, [own], None)[0]
        rows.append({"network_id": spec.id, **spec.factors(), **unit_numbers(measured)})
    return pd.DataFrame(rows)
