"""The tables of the study: shares of the units of the widest network, accuracies in percent, deviations of samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.frivolous import published
from analysis.frivolous.gain import MEASURES, WIDTHS, gain, has_all_widths
from analysis.frivolous.lines import ChosenBy, Line, lines
from analysis.frivolous.networks import SEEDS, SETTINGS, TOLERANCES, Networks, Tolerances, measure
from analysis.frivolous.panels import ALL
from raydensity.interpretability.comparison import compare

KEY = ["dataset", "scale", "panel", "curve"]
# Figures 2 to 4: what is shown of these is more than their widths.
MAIN = ("fig_3ab", "fig_4a", "fig_4b", "fig_4c", "fig_4d", "other")
CHANGED = (0.1, 0.2, 0.3, 0.4, 0.5)  # the paper tried up to 0.5 and 0.15
TWO_ANSWERS = ("teacher",)  # data sets of which half of all answers are alike by chance
UNEXPLAINED = (0.05, 0.1, 0.15)
POINTS = ["accuracy", "train_accuracy", *MEASURES]
TABLES = (
    *("frivolity", "gain", "choices", "networks_measured", "ablation", "correlation"),
    *("narrowing", "interpretability", "tolerances"),
)
BESIDE = [f"published_{name}" for name in ("prunability", "redundancy", "accuracy", "train_accuracy")]


class Tables:
    """The lines of all panels, and every table made of them; `chosen_by` as in `lines`."""

    def __init__(self, networks: Networks, chosen_by: ChosenBy = "mean") -> None:
        self.networks = networks
        self.lines = lines(networks, chosen_by)

    @cached_property
    def points(self) -> list[pd.DataFrame]:
        """The points of every line."""
        return [points(line, self.networks.layers) for line in self.lines]

    @cached_property
    def frivolity(self) -> pd.DataFrame:
        """Prunability and redundancy by width (Figures 1, 3 and 4): a row a curve and width."""
        parts = [self._named(line, table) for line, table in zip(self.lines, self.points, strict=True)]
        table = pd.concat(parts, ignore_index=True)
        deviations = [f"{name}_std" for name in POINTS]
        return table[[*KEY, "layer", "width", "n_train", "n", *POINTS, *deviations, *BESIDE, "short"]]

    @cached_property
    def gain(self) -> pd.DataFrame:
        """Gains (specification b.7): a row a curve and measure.

        `g` is empty where a width of the paper's is missing, `g_error` its standard error over networks,
        `g_half_width` half of its interval of confidence of 95 %. `g_here` is over the `n_ratios` that there are (a
        value of 0 is in none), and `published_g_here` that of the paper's curve over the same; `short`: of networks
        that trained less; `papers`: as the paper's.
        """
        rows = []
        for line, table in zip(self.lines, self.points, strict=True):
            for name, part in table.groupby("curve", sort=False):
                for measured in MEASURES:
                    values = dict(zip(part["width"], part[measured], strict=True))
                    errors = dict(zip(part["width"], part[f"{measured}_error"], strict=True))
                    counts = dict(zip(part["width"], part[f"{measured}_n"], strict=True))
                    g, ratios, *spread = gain(values, measured, errors, counts)
                    digitised = line.published.get(measured, {}).items()
                    papers = gain({width: known for width, known in digitised if values.get(width, 0) > 0}, measured).g
                    low, high = published.GAINS.get(line.panel.name, {}).get(measured, (np.nan, np.nan))
                    own = published.CURVE_GAINS.get((line.panel.name, str(name)), np.nan)
                    known = [low, high, own if measured == "prunability" else np.nan]
                    beside = known if line.papers else [np.nan] * 3
                    whole = has_all_widths(values, measured, line.curve.widths)
                    all_widths = (g, *spread) if whole else (np.nan,) * 3
                    key = self._key(line, str(name))
                    rows.append((*key, measured, ratios, *all_widths, *beside, g, papers, line.short, line.papers))
        columns = ["measure", "n_ratios", "g", "g_error", "g_half_width"]
        columns += ["published_g_min", "published_g_max", "published_g"]
        return pd.DataFrame(rows, columns=[*KEY, *columns, "g_here", "published_g_here", "short", "papers"])

    @cached_property
    def choices(self) -> pd.DataFrame:
        """Settings that were selected by validation accuracy: a row a curve, width and setting of which several were
        tried. `at_edge`: the smallest or the largest of them, beyond which a better one may be."""
        rows = []
        for line in self.lines:
            for width, part in line.networks.groupby("width"):
                tried = line.searched[line.searched["width"] == width]
                for name in line.panel.selected:
                    levels = sorted(tried[name].unique())
                    for chosen, own in part.groupby(name) if len(levels) > 1 else []:
                        edge, accuracy = chosen in (levels[0], levels[-1]), 100 * own["validation_accuracy"].mean()
                        rows.append((*self._key(line, line.name), width, name, chosen, len(levels), edge, accuracy))
        columns = ["width", "setting", "chosen", "n_levels", "at_edge", "validation_accuracy"]
        return pd.DataFrame(rows, columns=[*KEY, *columns])

    @cached_property
    def networks_measured(self) -> pd.DataFrame:
        """A row a network, also of those that no panel shows: settings, seeds, accuracy, and shares of the whole."""
        whole = self.networks.layers[self.networks.layers["layer"] == ALL].set_index("row")
        table = self.networks.used[["network_id", "dataset", "architecture", "width", *SETTINGS, *SEEDS, "accuracy"]]
        return table.assign(prunability=whole["prunability"], redundancy=whole["redundancy"].map(_mean))

    @cached_property
    def ablation(self) -> pd.DataFrame:
        """Percent of the answers that stay, by percent of the units removed (Figure 2a, b), in the best repeat."""
        rows = []
        for line in self._main():
            for width, part in line.networks.groupby("width"):
                curves = part["prunability"].map(lambda measured: _best_repeat(measured, ALL)).dropna()
                for removed, values in _by_share(curves).items():
                    known = published.ABLATION.get(line.curve.published, {}).get(round(removed), ())
                    beside = dict(zip(WIDTHS, known, strict=False)).get(float(str(width)), np.nan)
                    shown = (len(values), *_mean_and_deviation(values), beside if line.papers else np.nan)
                    rows.append((*self._key(line, line.name), width, removed, *shown))
        columns = ["width", "removed", "n", "unchanged", "unchanged_std", "published_unchanged"]
        return pd.DataFrame(rows, columns=[*KEY, *columns])

    @cached_property
    def correlation(self) -> pd.DataFrame:
        """Mean |correlation| of pairs of units by width and layer (Figure 2c, d)."""
        rows = []
        for line in self._main():
            measured = line.networks[["width", "correlation"]].explode("correlation").dropna()
            measured["layer"] = [each["layer"] for each in measured["correlation"]]
            measured["mean"] = [each["mean"] for each in measured["correlation"]]
            for (layer, width), values in measured.groupby(["layer", "width"], sort=False)["mean"]:
                known = published.CORRELATION.get(line.curve.published, {}).get(width, np.nan)
                beside = known if line.papers and layer == "conv2" else np.nan
                rows.append(
                    (*self._key(line, line.name), layer, width, len(values), values.mean(), values.std(), beside)
                )
        columns = ["layer", "width", "n", "correlation", "correlation_std", "published_correlation"]
        return pd.DataFrame(rows, columns=[*KEY, *columns])

    @cached_property
    def tolerances(self) -> pd.DataFrame:
        """Gains, as in `gain`, and values by width at other tolerances; prunability by positions where measured."""
        readings = [("prunability", Tolerances(changed=changed)) for changed in CHANGED]
        readings += [("redundancy", Tolerances(unexplained=unexplained)) for unexplained in UNEXPLAINED]
        if any(curve["by_position"] for measured in self.networks.used["prunability"] for curve in measured):
            readings.append(("prunability", Tolerances(by_position=True)))
        rows = []
        for line in self._main():
            for measured, tolerances in readings:
                if line.dataset in TWO_ANSWERS and tolerances.changed >= 0.5:
                    continue
                table = points(line, measure(line.networks, tolerances))
                values = dict(zip(table["width"], table[measured], strict=True))
                g, ratios, *_ = gain(values, measured)
                tolerance = tolerances.changed if measured == "prunability" else tolerances.unexplained
                default = tolerances == TOLERANCES
                by_width = [values.get(width, np.nan) for width in WIDTHS]
                whole = g if has_all_widths(values, measured, line.curve.widths) else np.nan
                reading = (measured, tolerances.by_position, tolerance, default, ratios, whole, g)
                rows.append((*self._key(line, line.name), *reading, *by_width))
        columns = ["measure", "by_position", "tolerance", "default", "n_ratios", "g", "g_here"]
        return pd.DataFrame(rows, columns=[*KEY, *columns, *(f"at_{width:g}x" for width in WIDTHS)])

    @cached_property
    def narrowing(self) -> pd.DataFrame:
        """Networks without their prunable or redundant units: a row a curve, width and way.

        `left` is the percentage of hidden units that stay; of the test images `same_answers` is the percentage that is
        answered as by the whole network, `accuracy` that answered rightly, `change` the points that it gained. Units
        are chosen by validation images.
        """
        rows = []
        for line in self._main():
            made = line.networks[["width", "narrowing"]].explode("narrowing").dropna()
            made["way"] = [each["way"] for each in made["narrowing"]]
            for (width, way), part in made.groupby(["width", "way"]):
                own = pd.DataFrame.from_records(list(part["narrowing"]))
                accuracy = 100 * own["accuracy"]
                change = accuracy - 100 * own["whole_accuracy"]
                means = 100 * (own["left"] / own["units"]).mean(), 100 * own["same_answers"].mean(), accuracy.mean()
                spread = _mean_and_deviation(change.to_numpy())
                rows.append((*self._key(line, line.name), width, way, len(part), *means, *spread))
        columns = ["width", "way", "n", "left", "same_answers", "accuracy", "change", "change_std"]
        return pd.DataFrame(rows, columns=[*KEY, *columns])

    @cached_property
    def interpretability(self) -> pd.DataFrame:
        """Total variation of the images that excite units, of the narrowest networks against the widest (Figure 5)."""
        found = []
        for line in self._main():
            units = line.units
            narrow, wide = units["width"].min(), units["width"].max()
            if narrow < wide:
                table = compare(units[units["width"] == narrow], units[units["width"] == wide])
                keys = dict(zip(KEY, self._key(line, line.name), strict=True))
                found.append(table.assign(**keys, narrow=narrow, wide=wide))
        columns = [f"{name}_{side}" for name in ("units", "silent", "mean") for side in ("narrow", "wide")]
        columns = [*KEY, "layer", "measure", "narrow", "wide", *columns, "statistic", "p"]
        return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)

    def named(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of its file."""
        return {name: getattr(self, name) for name in TABLES}

    def groups(self, panels: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Panel and data set of all lines, in the order of the paper, of some panels only."""
        found = dict.fromkeys((line.panel.name, line.dataset) for line in self.lines)
        return [group for group in found if panels is None or group[0] in panels]

    def spread(self, group: tuple[str, str], measure: str) -> pd.DataFrame:
        """A measure by curve and width: its mean, that mean's standard error over networks, and their number."""
        pairs = zip(self.lines, self.points, strict=True)
        parts = [table for line, table in pairs if (line.panel.name, line.dataset) == group]
        names = {measure: "mean", f"{measure}_error": "error", f"{measure}_n": "networks"}
        return pd.concat(parts, ignore_index=True).rename(columns=names)[["curve", "width", *names.values()]]

    def of(self, group: tuple[str, str]) -> list[Line]:
        """The lines of a panel and data set."""
        return [line for line in self.lines if (line.panel.name, line.dataset) == group]

    def _main(self) -> list[Line]:
        return [line for line in self.lines if line.panel.name in MAIN]

    def _key(self, line: Line, curve: str) -> tuple[str, str, str, str]:
        return line.dataset, self.networks.scale, line.panel.name, curve

    def _named(self, line: Line, table: pd.DataFrame) -> pd.DataFrame:
        keys = dict(zip(KEY[:3], self._key(line, "")[:3], strict=True))
        beside = {name: table["width"].map(line.published.get(name.removeprefix("published_"), {})) for name in BESIDE}
        return table.assign(**keys, **beside, short=line.short)


def points(line: Line, layers: pd.DataFrame) -> pd.DataFrame:
    """A line by width; of a panel by layer as many lines: curve, layer, width, n_train, n, means and deviations."""
    columns = ["width", "accuracy", "train_accuracy", "n_train"]
    rows = layers[layers["row"].isin(line.networks.index)].merge(
        line.networks[columns], left_on="row", right_index=True
    )
    rows = rows[rows["layer"] != ALL] if line.layer is None else rows[rows["layer"] == line.layer]
    rows = rows.assign(non_prunability=rows["size"] - rows["prunability"])
    found = []
    for layer, own in rows.groupby("layer", sort=False):
        curve = line.name if line.layer is not None else ", ".join(filter(None, [str(layer), line.name]))
        for width, part in own.groupby("width"):
            pooled = np.concatenate(list(part["redundancy"]))
            values = {
                "accuracy": part["accuracy"].to_numpy(),
                "train_accuracy": part["train_accuracy"].to_numpy(),
                "prunability": part["prunability"].to_numpy(),
                "redundancy": pooled,
                "non_prunability": part["non_prunability"].to_numpy(),
                "non_redundancy": part["size"].iloc[0] - pooled,
            }
            n_train = part["n_train"].iloc[0] if part["n_train"].nunique() == 1 else 0
            row = {"curve": curve, "layer": layer, "width": width, "n_train": n_train, "n": len(part)}
            for name, each in values.items():
                row[name], row[f"{name}_std"] = _mean_and_deviation(each)
            # Over networks: repeats and layers of one network are not independent.
            by_network = {"prunability": part["prunability"], "redundancy": part["redundancy"].map(_mean)}
            for name, each in by_network.items():
                count = int(each.notna().sum())
                error = _mean_and_deviation(each.to_numpy(dtype=float))[1] / np.sqrt(max(count, 1))
                row |= {f"{name}_error": error, f"non_{name}_error": error, f"{name}_n": count, f"non_{name}_n": count}
            found.append(row)
    deviations = [
        *(f"{name}_std" for name in POINTS),
        *(f"{name}_{what}" for what in ("error", "n") for name in MEASURES),
    ]
    names = ["curve", "layer", "width", "n_train", "n", *POINTS, *deviations]
    table = pd.DataFrame(found, columns=names)
    table["n_train"] = table["n_train"].astype("Int64").replace(0, pd.NA)
    return table


def _mean(shares: np.ndarray) -> float:
    return float(np.mean(shares)) if len(shares) else float("nan")


def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Of a sample, without what is NaN; NaN where there are no values, or no two."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else float("nan")
    return mean, float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def _best_repeat(measured: Sequence[dict], layer: str) -> pd.Series | None:
    """At each share removed the largest percent of unchanged answers over repeats; None where it was not measured."""
    curves = [curve for curve in measured if curve["layer"] == layer and not curve["by_position"]]
    if not curves:
        return None
    best = np.max([np.asarray(curve["unchanged"], dtype=float) for curve in curves], axis=0)
    return pd.Series(100 * best, index=100 * np.asarray(curves[0]["removed"], dtype=float))


def _by_share(curves: pd.Series) -> dict[float, np.ndarray]:
    """The percentages of all networks by share removed."""
    found: dict[float, list[float]] = {}
    for curve in curves:
        for removed, value in curve.items():
            found.setdefault(round(float(removed), 6), []).append(value)
    return {removed: np.array(values) for removed, values in sorted(found.items())}
