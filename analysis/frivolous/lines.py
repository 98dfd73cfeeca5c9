"""Which networks each line of each panel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from analysis.frivolous.networks import SEEDS, SETTINGS, TOLERANCES, Networks
from analysis.frivolous.panels import ALL, OTHER, PANELS, Curve, Panel, fitting
from analysis.frivolous.published import curves, unlike
from analysis.frivolous.selection import best
from raydensity.record import SCHEMA

ChosenBy = Literal["mean", "seed"]
NO_PANEL = "no panel of its has such networks"
OTHER_TOLERANCES = "its tolerances are 20 % of the answers and 5 % of the variance"
UNIT_IMAGE = [field.name for field in SCHEMA.field("interpretability").type.value_type]


@dataclass(frozen=True)
class Line:
    """A line of a panel: its networks on one data set, after the selection of settings.

    `layer` is what is shown of them; None: every layer, a line each. `unlike` is in what its networks differ from the
    paper's, in words. `searched` are the networks that they were selected from, and those that diverged.
    """

    panel: Panel
    curve: Curve
    dataset: str
    name: str
    layer: str | None
    networks: pd.DataFrame
    unlike: tuple[str, ...]
    searched: pd.DataFrame

    @property
    def papers(self) -> bool:
        """Whether published values may stand beside it."""
        return not self.unlike

    @property
    def short(self) -> bool:
        """Whether some of its networks trained for fewer epochs than the paper's, and until they ran out."""
        return bool(self.networks["short"].any())

    @cached_property
    def published(self) -> dict[str, dict[float, float]]:
        """The paper's values by measure and width, where they may stand beside; of a line by layer there are none."""
        if not self.papers or self.layer is None:
            return {}
        every = curves()
        own = every[every["published"] == self.curve.published].drop(columns="published").set_index("width")
        named = {str(column).removeprefix("published_"): values.dropna().to_dict() for column, values in own.items()}
        return {measure: values for measure, values in named.items() if values}

    @cached_property
    def units(self) -> pd.DataFrame:
        """The units of its networks whose images were looked for: width, and the columns of `UnitImage`."""
        parts = [
            pd.DataFrame.from_records(list(units), columns=UNIT_IMAGE).assign(width=width)
            for width, units in zip(self.networks["width"], self.networks["interpretability"], strict=True)
            if len(units)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*UNIT_IMAGE, "width"])


def lines(networks: Networks, chosen_by: ChosenBy = "mean") -> list[Line]:
    """All lines, in the order of the paper; a network may be in several panels, and is in `OTHER` if it is in none.

    `chosen_by` says whether settings are selected by the mean over seeds, or for each seed by itself.
    """
    found, rest = [], networks.used
    for panel in PANELS:
        for curve in panel.curves:
            conditions = {**panel.has, **curve.has}
            layer = None if panel.by_layer else conditions.pop("layer", ALL)
            own = fitting(networks.used, conditions)
            if own.empty:
                continue
            rest = rest.drop(own.index, errors="ignore")
            fixed = {*conditions, *panel.selected}
            tried = fitting(networks.tried, conditions)
            found += _split(networks, panel, curve, layer, best_of(panel, own, chosen_by), tried, fixed)
    for architecture, own in rest.groupby("architecture"):
        found += _split(networks, OTHER, Curve(str(architecture)), ALL, own, own, set())
    return found


def best_of(panel: Panel, networks: pd.DataFrame, chosen_by: ChosenBy = "mean") -> pd.DataFrame:
    """The networks of a curve after the selection of settings, at each width and by all else that varies."""
    other = [name for name in SETTINGS if name not in panel.selected and networks[name].nunique() > 1]
    seeds = SEEDS if chosen_by == "seed" else []
    return best(networks, by=["dataset", "width", *other, *seeds], settings=panel.selected)


def _split(
    networks: Networks,
    panel: Panel,
    curve: Curve,
    layer: str | None,
    own: pd.DataFrame,
    tried: pd.DataFrame,
    fixed: set[str],
) -> list[Line]:
    """A line for each data set, and for each level of a setting that varies at one width beside the curve's own."""
    found = []
    for dataset, rows in own.groupby("dataset"):
        several = [name for name in SETTINGS if name not in fixed and rows[name].nunique() > 1]
        varied = [name for name in several if rows.groupby("width")[name].nunique().gt(1).any()]
        for levels, part in rows.groupby(varied) if varied else [((), rows)]:
            name = ", ".join(filter(None, [curve.name, *_words(varied, levels)]))
            differs = (NO_PANEL,) if panel is OTHER else tuple(unlike(part, networks.scale))
            differs += () if networks.tolerances == TOLERANCES else (OTHER_TOLERANCES,)
            alike = fitting(tried, {"dataset": dataset, **dict(zip(varied, levels, strict=True))})
            found.append(Line(panel, curve, str(dataset), name, layer, part, differs, alike))
    return found


def _words(settings: Sequence[str], levels: Sequence[object]) -> list[str]:
    return [f"{name.replace('_', ' ')} {level}" for name, level in zip(settings, levels, strict=True)]
