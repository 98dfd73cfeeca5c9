"""From tracked runs to tables, statistics, figures and a report. Imports nothing that trains."""

from __future__ import annotations

import importlib
from pathlib import Path

# The module of each study that has `report(runs, out) -> Path`.
REPORTS = {"density": "analysis.density_report"}


def analyse(study: str, *, out: Path, tracking_uri: str, scale: str | None = None, sweep: str | None = None) -> Path:
    """Write the report of a study's latest sweep (or the one that `scale` and `sweep` choose) under `out`.

    Returns the path of report.html. Raises ValueError for an unknown study or sweep, a tracker that cannot be reached,
    or an `out` that cannot be written.
    """
    if study not in REPORTS:
        raise ValueError(f"no analysis of study {study!r}: there is {', '.join(sorted(REPORTS))}")
    # MLflow, pandas and statsmodels take seconds to import: only where they are used.
    from analysis.runs import pull

    runs = pull(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep)
    try:
        return importlib.import_module(REPORTS[study]).report(runs, out)
    except OSError as error:
        raise ValueError(f"cannot write the report to {out}: {error}") from error
