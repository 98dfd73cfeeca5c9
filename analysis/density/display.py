"""The density study's tables as readers see them: rounded, in words, published values beside ours."""

from __future__ import annotations

import pandas as pd

from analysis.density.networks import SETTINGS, Networks, type_name
from analysis.density.tables import OVERLAP_READINGS
from analysis.report import mean_and_deviation, number, p_value

CHANCE = ["16", "40", "25", "60"]  # percent, for two independent masks of 40 %
READINGS = dict(zip(OVERLAP_READINGS, ["|A∩B| / all", "|A∩B| / |A|", "Jaccard", "1 − |A∩B| / |A|"], strict=True))


def _model(networks: Networks, table: pd.DataFrame) -> pd.Series:
    return pd.Series(
        [type_name(networks, key) for key in table[networks.by].itertuples(index=False, name=None)], dtype=str
    )


def _without_empty(shown: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that say nothing, such as the published ones beside other data."""
    return shown.loc[:, (shown != "").any()]


def _pairs(means: pd.Series, stds: pd.Series) -> list[str]:
    return [mean_and_deviation(mean, std) for mean, std in zip(means, stds, strict=True)]


def _widths(table: pd.DataFrame) -> list[str]:
    return [f"{width:g}×" for width in table["width"]]


def settings(networks: Networks) -> pd.DataFrame:
    """What was trained and how: a row a setting, a column a model type."""
    shown = {"": ["networks", "widths", "initializers", "init seeds × data seeds", *SETTINGS]}
    shown[""] = [name.replace("_", " ") for name in shown[""]]
    for key, group in networks.types():
        widths = " ".join(f"{width:g}×" for width in sorted(group["width"].unique()))
        seeds = f"{group['init_seed'].nunique()} × {group['data_seed'].nunique()}"
        levels = [", ".join(map(str, sorted(group[setting].unique()))) for setting in SETTINGS]
        initializers = ", ".join(sorted(group["initializer"].unique()))
        shown[type_name(networks, key)] = [f"{len(group):,}", widths, initializers, seeds, *levels]
    return pd.DataFrame(shown)


def densities(networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
    """Table 2, ours beside the published values."""
    inside = {True: "yes", False: "no"}
    shown = pd.DataFrame(
        {
            "model": _model(networks, table),
            "width": _widths(table),
            "n": table["n"],
            "density": _pairs(table["mean"], table["std"]),
            "published": _pairs(table["published_mean"], table["published_std"]),
            "inside": [inside.get(value, "") for value in table["inside_published"].astype(object)],
            "null hypothesis": _pairs(table["null_mean"], table["null_std"]),
            "published null": _pairs(table["published_null_mean"], table["published_null_std"]),
            "null, by kernels": table["null_mean_true"].map(number),
            "p (t-test)": table["p_ttest"].map(p_value),
            "unpruned accuracy": table["accuracy"].map(number),
        }
    )
    return _without_empty(shown)


def parameters(table: pd.DataFrame) -> pd.DataFrame:
    """Table 1."""
    shown = table.drop(columns="scale").assign(width=_widths(table))
    for column in ("true_count", "table1_count", "published", "weights"):
        shown[column] = ["" if pd.isna(value) else f"{int(value):,}" for value in table[column]]
    return _without_empty(shown.rename(columns=lambda name: name.replace("_", " ")))


def anova(networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
    """The analyses of variance."""
    return pd.DataFrame(
        {
            "model": _model(networks, table),
            "test": table["test"],
            "factor": table["factor"],
            "df": table["df"],
            "residual df": table["df_residual"],
            "F": [number(value, 2) for value in table["F"]],
            "p": table["p"].map(p_value),
            "η²": [f"{value:.3f}" for value in table["eta_squared"]],
        }
    )


def overlap(networks: Networks, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables 3 and 4: one table a model type, the published values and what chance would give among the readings."""
    cells = table.assign(
        width=_widths(table),
        chance=table["reading"].map(dict(zip(OVERLAP_READINGS, CHANCE, strict=True))),
        reading=table["reading"].map(READINGS),
        cell=_pairs(table["mean"], table["std"]),
    )
    printed = cells[table["published"].notna()].drop_duplicates([*networks.by, "width", "layer"])
    printed = printed.assign(reading="published", chance="", cell=printed["published"].map(number))
    cells = pd.concat([cells, printed]).sort_index(kind="stable")
    shown = {}
    for key, rows in networks.types(cells) if len(cells) else []:
        index = ["width", "reading", "chance"]
        wide = rows.pivot(index=index, columns="layer", values="cell").fillna("")
        order = pd.MultiIndex.from_frame(rows[index].drop_duplicates())
        shown[type_name(networks, key)] = wide.reindex(index=order, columns=rows["layer"].unique()).reset_index()
    return shown


def readings(networks: Networks, table: pd.DataFrame) -> pd.DataFrame:
    """Effective density under each reading, one column each."""
    cells = table.assign(
        model=_model(networks, table),
        width=_widths(table),
        published=_pairs(table["published_mean"], table["published_std"]),
        reading=table["score"] + ", " + table["kind"] + ", " + table["step"].str.replace("_", " "),
        cell=_pairs(table["mean"], table["std"]),
    )
    rows, readings = ["model", "width", "published"], list(dict.fromkeys(cells["reading"]))
    wide = cells.pivot(index=rows, columns="reading", values="cell")
    ordered = pd.MultiIndex.from_frame(cells[rows].drop_duplicates())
    return _without_empty(wide.reindex(index=ordered, columns=readings).fillna("").reset_index())
