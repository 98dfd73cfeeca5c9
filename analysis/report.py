"""One self-contained HTML page: pictures and style inside, nothing to fetch."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pandas as pd

from analysis.figures import DPI

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
