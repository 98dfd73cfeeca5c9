"""From tracked runs to tables, statistics, figures and a report. Imports nothing that trains."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import raydensity  # noqa: F401 (it settles what MLflow reads when it is imported)


def reports() -> list[str]:
    """The studies that have an analysis: each is a module `<study>_report` with `report(runs, out) -> Path`."""
    return [m.name.removesuffix("_report") for m in pkgutil.iter_modules(__path__) if m.name.endswith("_report")]


def analyse(study: str, *, out: Path, tracking_uri: str, scale: str | None = None, sweep: str | None = None) -> Path:
    """Write the report of a study's latest sweep (or the one that `scale` and `sweep` choose) under `out`.

    Returns the path of report.html. Raises ValueError for an unknown study or sweep, a tracker that cannot be reached,
    or an `out` that cannot be written.
    """
    if study not in reports():
        raise ValueError(f"no analysis of study {study!r}: there is {', '.join(reports())}")
    # MLflow, pandas and statsmodels take seconds to import: only where they are used.
    from analysis.runs import pull

    runs = pull(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep)
    try:
        return importlib.import_module(f"analysis.{study}_report").report(runs, out)
    except OSError as error:
        raise ValueError(f"cannot write the report to {out}: {error}") from error
