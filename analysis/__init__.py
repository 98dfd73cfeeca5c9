"""From tracked runs to tables, statistics, figures and a report. Imports nothing that trains."""

from __future__ import annotations

import importlib
from pathlib import Path

import raydensity  # noqa: F401 (it settles what MLflow reads when it is imported)


def reports() -> list[str]:
    """The studies that have an analysis: a study's is the module `analysis/<study>/report.py`.

    It has `report(runs, out) -> Path`, and may have `COLUMNS`: the columns of the record that it reads, all by default.
    """
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/report.py"))


def analyse(study: str, *, out: Path, tracking_uri: str, scale: str | None = None, sweep: str | None = None) -> Path:
    """Write the report of a study's latest sweep (or the one that `scale` and `sweep` choose) under `out`.

    Returns the path of report.html. Raises ValueError for an unknown study or sweep, a tracker that cannot be reached,
    or an `out` that cannot be written.
    """
    if study not in reports():
        raise ValueError(f"no analysis of study {study!r}: there is {', '.join(reports())}")
    # MLflow, pandas and statsmodels take seconds to import: only where they are used.
    from analysis.runs import pull

    module = importlib.import_module(f"analysis.{study}.report")
    columns = getattr(module, "COLUMNS", None)
    runs = pull(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep, columns=columns)
    try:
        return module.report(runs, out)
    except OSError as error:
        raise ValueError(f"cannot write the report to {out}: {error}") from error
