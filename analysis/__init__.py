"""From tracked runs to tables, statistics, figures and a report. Imports nothing that trains."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import raydensity  # noqa: F401 (it settles what MLflow reads when it is imported)

if TYPE_CHECKING:
    from analysis.runs import Runs


def reports() -> list[str]:
    """The studies that have an analysis: a study's is the module `analysis/<study>/report.py`.

    It has `report(runs, out) -> Path`, and may have `COLUMNS`: the columns of the record that it reads, all by default;
    `picture(runs, network_id, out) -> list[Path]`, which draws a single network; and `Tolerances`, a dataclass of
    numbers from 0 to 1 and of yes or no, which `report` takes as `tolerances`.
    """
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/report.py"))


def analyse(
    study: str,
    *,
    out: Path,
    tracking_uri: str,
    scale: str | None = None,
    sweep: str | None = None,
    tolerances: Sequence[str] = (),
) -> Path:
    """Write the report of a study's latest sweep (or the one that `scale` and `sweep` choose) under `out`.

    `tolerances`, such as changed=0.3, are the study's own in place of the paper's. Returns the path of report.html.
    Raises ValueError for an unknown study, sweep or tolerance, a tracker that cannot be reached, or an `out` that
    cannot be written.
    """
    module, runs = _read(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep)
    options = {"tolerances": _tolerances(study, module, tolerances)} if tolerances else {}
    try:
        return module.report(runs, out, **options)
    except OSError as error:
        raise ValueError(f"cannot write the report to {out}: {error}") from error


def draw_network(
    study: str, network: str, *, out: Path, tracking_uri: str, scale: str | None = None, sweep: str | None = None
) -> list[Path]:
    """Draw a single network of a study's latest sweep (or the one that `scale` and `sweep` choose) under `out`.

    `network` is its id, or how that begins. Returns the paths of the pictures. Raises ValueError as `analyse` does, for
    a study that draws no networks, and for an unknown network.
    """
    module, runs = _read(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep, needed="picture")
    try:
        return module.picture(runs, network, out)
    except OSError as error:
        raise ValueError(f"cannot write the picture to {out}: {error}") from error


def _read(
    study: str, *, tracking_uri: str, scale: str | None, sweep: str | None, needed: str = "report"
) -> tuple[ModuleType, Runs]:
    """The module of a study's report, which must have the function `needed`, and the runs that it is about."""
    if study not in reports():
        raise ValueError(f"no analysis of study {study!r}: there is {', '.join(reports())}")
    # MLflow, pandas and statsmodels take seconds to import: only where they are used.
    from analysis.runs import pull

    module = importlib.import_module(f"analysis.{study}.report")
    if not hasattr(module, needed):
        raise ValueError(f"the analysis of study {study!r} draws no single networks")
    columns = getattr(module, "COLUMNS", None)
    return module, pull(study, tracking_uri=tracking_uri, scale=scale, sweep=sweep, columns=columns)


def _tolerances(study: str, module: ModuleType, given: Sequence[str]) -> Any:
    """What was asked for as NAME=VALUE, in the study's own dataclass."""
    kind = getattr(module, "Tolerances", None)
    if kind is None:
        raise ValueError(f"--tolerance: the analysis of study {study!r} has none to choose")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    found: dict[str, bool | float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in defaults:
            raise ValueError(f"--tolerance: {name!r} is none of {', '.join(defaults)}")
        if isinstance(defaults[name], bool):
            if value not in ("true", "false"):
                raise ValueError(f"--tolerance {name}: {value!r} is neither true nor false")
            found[name] = value == "true"
            continue
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1
        if not 0 <= found[name] <= 1:
            raise ValueError(f"--tolerance {name}: {value!r} is no number from 0 to 1")
    return kind(**found)
