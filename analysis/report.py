"""What the reports of all studies share: tables and figures as files, and one self-contained HTML page with both."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import DPI, CannotDraw, draw
from analysis.runs import Runs

SCREEN_DPI = 140
TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True)
class Claim:
    """What the paper says, what the runs say, and whether they agree (None where the runs cannot tell)."""

    paper: str
    here: str
    agrees: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "agrees", False: "differs", None: "no verdict"}[self.agrees]


@dataclass(frozen=True)
class Section:
    """A part of the report: text, a picture (or why there is none), claims, tables of display strings by caption."""

    title: str
    text: str = ""
    picture: Path | None = None
    missing: str = ""
    claims: list[Claim] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The picture as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.picture.read_bytes()).decode() if self.picture else ""

    @property
    def image_width(self) -> int:
        """Width to show the picture at, in CSS pixels, so that letters have one size whatever the number of panels."""
        return int.from_bytes(self.picture.read_bytes()[16:20], "big") * SCREEN_DPI // DPI if self.picture else 0


def write_tables(out: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as `tables/NAME.csv` under `out`."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")


def figures_folder(out: Path) -> Path:
    """The folder `figures` under `out`, without those of an earlier report's groups, `NAME_of_GROUP`."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*_of_*"):
        old.unlink()
    return folder


def figure_section(
    folder: Path,
    name: str,
    title: str,
    text: str,
    make: Callable[[], Figure],
    *,
    said: list[Claim] | None = None,
    shown: Mapping[str, pd.DataFrame] | None = None,
) -> Section:
    """A section with the figure that `make` draws, as files `name` in `folder`, or why it cannot be drawn.

    Empty tables are not shown.
    """
    tables = {caption: table for caption, table in (shown or {}).items() if len(table)}
    try:
        path = draw(make, folder=folder, name=name)
    except CannotDraw as reason:
        for kind in ("png", "svg"):  # of another sweep, written to this folder before
            (folder / f"{name}.{kind}").unlink(missing_ok=True)
        return Section(title, missing=str(reason), claims=said or [], tables=tables)
    return Section(title, text, picture=path, claims=said or [], tables=tables)


def facts(runs: Runs, own: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The header of a report: which sweep it is, a study's `own` facts, and what trained it."""
    commits = runs.networks.groupby("git_commit")["git_dirty"].any()
    trained = ", ".join(f"{c[:12] or 'unknown'}{' (modified)' if d else ''}" for c, d in commits.items())
    return [
        ("study", f"{runs.study}, scale {runs.scale}"),
        ("sweep", f"{runs.sweep_id}, last run {runs.touched[:16].replace('T', ' ')} UTC"),
        *own,
        ("trained by commit", trained),
        ("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    ]


def missing_networks(planned: int, found: int) -> list[str]:
    """A warning where networks have no finished run yet."""
    missing = planned - found
    words = f"{missing:,} of {planned:,} planned networks have no finished run yet and are missing here."
    return [words] if missing else []


def write(
    path: Path, *, title: str, facts: list[tuple[str, str]], warnings: list[str], sections: list[Section]
) -> Path:
    """Write the page; `facts` are name and value of the header, `warnings` the banners. Returns `path`."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(title=title, facts=facts, warnings=warnings, sections=sections)
    path.write_text(page, encoding="utf-8")
    return path


def number(value: float, digits: int = 1) -> str:
    """A number for readers; empty for NaN."""
    return "" if pd.isna(value) else f"{value:,.{digits}f}"


def mean_and_deviation(mean: float, std: float, digits: int = 1) -> str:
    """`29.1 ± 3.0`; without the deviation where there is none (a single network)."""
    return number(mean, digits) + ("" if pd.isna(mean) or pd.isna(std) else f" ± {std:,.{digits}f}")


def p_value(value: float) -> str:
    """Three digits, or `< 0.0001`, the paper's own bound; empty for NaN."""
    return "" if pd.isna(value) else "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def p_relation(value: float) -> str:
    """The same as a relation for sentences: `p < 0.0001`, `p = 0.0123`."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
