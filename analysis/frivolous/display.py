"""The study's tables as readers see them: one table a panel, rounded, published values beside ours."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from analysis.frivolous.axes import fraction
from analysis.frivolous.curves import WORDS, of_group
from analysis.frivolous.gain import WIDTHS
from analysis.frivolous.networks import Networks
from analysis.frivolous.published import is_the_papers
from analysis.frivolous.tables import Tables
from analysis.report import mean_and_deviation, number, p_value

Group = tuple[str, str]
DIGITS = 3
FEW = 5


def trained(networks: Networks) -> pd.DataFrame:
    """What was trained: a row an architecture and data set."""
    rows = []
    for (architecture, dataset), part in networks.used.groupby(["architecture", "dataset"]):
        papers = is_the_papers(networks.scale, str(dataset), int(part["n_train"].min()))
        rows.append(
            {
                "": f"{architecture}, {dataset}",
                "networks": f"{len(part):,}",
                "widths": _levels(part["width"]),
                "initialisers": _few(sorted(part["initializer"].unique())),
                "factors": _levels(part["initializer_factor"]),
                "optimisers": _few(sorted(part["optimizer"].unique())),
                "learning rates": _levels(part["learning_rate"]),
                "at most epochs": _levels(part["max_epochs"]),
                "init seeds": part["init_seed"].nunique(),
                "the paper's data": "yes" if papers else "no",
            }
        )
    return pd.DataFrame(rows)


def frivolity(tables: Tables, group: Group, measures: tuple[str, ...]) -> pd.DataFrame:
    """Measures by curve and width, the published curve in brackets; of random labels how far they were learned."""
    rows = of_group(tables.frivolity, group)
    shown = {
        "curve": rows["curve"],
        "width": [f"{fraction(width)}×" for width in rows["width"]],
        "n": rows["n"],
        "accuracy, %": _pairs(rows, "accuracy", 1),
    }
    if any(line.networks["random_labels"].any() for line in tables.of(group)):
        shown["training accuracy, %"] = _pairs(rows, "train_accuracy", 1)
    shown |= {WORDS[measure]: _pairs(rows, measure, DIGITS) for measure in measures}
    if rows["short"].any():
        shown["too short"] = ["yes" if short else "" for short in rows["short"]]
    return _without_empty(pd.DataFrame(shown).astype(str))


def narrowing(tables: Tables, group: Group) -> pd.DataFrame:
    """What is left of networks, and what they still answer, by curve, width and way."""
    rows = of_group(tables.narrowing, group)
    shown = {
        "curve": rows["curve"],
        "width": [f"{fraction(width)}×" for width in rows["width"]],
        "units": rows["way"],
        "n": rows["n"],
        "left, %": [number(each, 1) for each in rows["left"]],
        "same answers, %": [number(each, 1) for each in rows["same_answers"]],
        "accuracy, %": [number(each, 1) for each in rows["accuracy"]],
        "change, points": [mean_and_deviation(*each) for each in zip(rows["change"], rows["change_std"], strict=True)],
    }
    return _without_empty(pd.DataFrame(shown).astype(str))


def interpretability(tables: Tables, group: Group) -> pd.DataFrame:
    """Mean total variation of narrow and wide networks, by curve, layer and measure, with its test."""
    rows = of_group(tables.interpretability, group)
    if rows.empty:
        return pd.DataFrame()
    widths = [f"{fraction(n)}× and {fraction(w)}×" for n, w in zip(rows["narrow"], rows["wide"], strict=True)]
    shown = {"curve": rows["curve"], "widths": widths, "layer": rows["layer"], "of": rows["measure"]}
    for side in ("narrow", "wide"):
        means = [number(mean, 1) for mean in rows[f"mean_{side}"]]
        counted = zip(means, rows[f"units_{side}"], rows[f"silent_{side}"], strict=True)
        shown[f"{side}: mean (units, silent)"] = [f"{mean} ({n}, {silent})" for mean, n, silent in counted]
    shown |= {"difference of ranks": [number(each, 1) for each in rows["statistic"]]}
    shown |= {"p": [p_value(each) for each in rows["p"]]}
    return _without_empty(pd.DataFrame(shown).astype(str))


def gains(tables: Tables, group: Group) -> pd.DataFrame:
    """Gains by curve, one column a measure, with standard errors over networks; where widths are missing those over
    the widths that there are, in brackets how many ratios, and the published curve's over the same."""
    rows = of_group(tables.gain, group)
    rows = rows[rows["g_here"].notna()]
    if rows.empty:
        return pd.DataFrame()
    cells = [_gain(row) for row in rows.to_dict("records")]
    wide = rows.assign(cell=cells).pivot(index="curve", columns="measure", values="cell")
    order = [measure for measure in WORDS if measure in wide.columns]
    wide = wide.reindex(index=list(dict.fromkeys(rows["curve"])), columns=order).fillna("").rename(columns=WORDS)
    known = rows.dropna(subset=["published_g_min"]).drop_duplicates("measure").set_index("measure")
    if len(known):
        ranges = {
            WORDS[measure]: f"{known['published_g_min'][measure]:.2f} to {known['published_g_max'][measure]:.2f}"
            for measure in order
            if measure in known.index
        }
        wide.loc["published, all curves"] = pd.Series(ranges).reindex(wide.columns).fillna("")
    own = rows[rows["measure"] == "prunability"].set_index("curve")["published_g"].dropna()
    wide["published prunability"] = [f"{own[curve]:.2f}" if curve in own.index else "" for curve in wide.index]
    return _without_empty(wide.reset_index().rename(columns={"curve": "g"}))


def _gain(row: dict[Hashable, Any]) -> str:
    if pd.notna(row["g"]):
        return mean_and_deviation(row["g"], row["g_error"], 2)
    known = "" if pd.isna(row["published_g_here"]) else f"; published {row['published_g_here']:.2f}"
    return f"{row['g_here']:.2f} ({_ratios(row)}{known})"


def _without_error(row: dict[Hashable, Any]) -> str:
    if pd.notna(row["g"]) or pd.isna(row["g_here"]):
        return number(row["g"], 2)
    return f"{number(row['g_here'], 2)} ({_ratios(row)})"


def _ratios(row: dict[Hashable, Any]) -> str:
    return f"{row['n_ratios']} ratio{'s' if row['n_ratios'] > 1 else ''}"


def tolerances(tables: Tables, group: Group) -> pd.DataFrame:
    """Gains at other tolerances, and values at the widths, curve by curve."""
    rows = of_group(tables.tolerances, group)
    rows = rows[rows[[f"at_{width:g}x" for width in WIDTHS]].notna().any(axis=1)]
    shown = {
        "curve": rows["curve"],
        "measure": [
            measure + (", by position" if by_position else "")
            for measure, by_position in zip(rows["measure"], rows["by_position"], strict=True)
        ],
        "tolerance": [
            f"{tolerance:g}" + (" (the paper's)" if default else "")
            for tolerance, default in zip(rows["tolerance"], rows["default"], strict=True)
        ],
        "g": [_without_error(row) for row in rows.to_dict("records")],
    }
    for width in WIDTHS:
        shown[f"{fraction(width)}×"] = [number(value, DIGITS) for value in rows[f"at_{width:g}x"]]
    return _without_empty(pd.DataFrame(shown).astype(str))


def correlation(tables: Tables, group: Group) -> pd.DataFrame:
    """Mean |correlation| by curve, layer and width."""
    rows = of_group(tables.correlation, group)
    if rows.empty:
        return pd.DataFrame()
    cells = rows.assign(cell=_pairs(rows, "correlation", 2), key=rows["curve"] + "\n" + rows["layer"])
    wide = cells.pivot(index="key", columns="width", values="cell").fillna("")
    wide = wide.reindex(list(dict.fromkeys(cells["key"])))
    wide.columns = pd.Index([f"{fraction(float(str(width)))}×" for width in wide.columns])
    curve, layer = zip(*(key.split("\n") for key in wide.index), strict=True)
    wide.insert(0, "curve", curve)
    wide.insert(1, "layer", layer)
    return wide.reset_index(drop=True)


def _pairs(rows: pd.DataFrame, name: str, digits: int) -> list[str]:
    """`mean ± deviation`, and the published value in brackets."""
    beside = rows.get(f"published_{name}", pd.Series(float("nan"), index=rows.index))
    return [
        mean_and_deviation(mean, std, digits) + (f" ({value:g})" if pd.notna(value) and pd.notna(mean) else "")
        for mean, std, value in zip(rows[name], rows[f"{name}_std"], beside, strict=True)
    ]


def _without_empty(shown: pd.DataFrame) -> pd.DataFrame:
    return shown.loc[:, (shown != "").any()]


def _levels(values: pd.Series) -> str:
    return _few([f"{value:g}" for value in sorted(values.unique())])


def _few(levels: Sequence[str]) -> str:
    """The levels, or how many they are where they are more than fit a column."""
    return ", ".join(levels) if len(levels) <= FEW else f"{len(levels)} levels"
