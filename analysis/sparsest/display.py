"""The study's tables as readers see them: one table a group, methods by width or by weights, in words."""

from __future__ import annotations

import pandas as pd

from analysis.report import number
from analysis.sparsest import methods
from analysis.sparsest.axes import usual_widths
from analysis.sparsest.networks import CONFIGURATION, KEYS, Networks, span
from analysis.sparsest.published import TARGETS, WINNERS
from analysis.sparsest.tables import COUNTS, Tables

NOT_REACHED = "–"
PHASES = {
    methods.STRUCTURED: "search, phase 1 (whole structures)",
    methods.SEARCH: "search, phase 2 (single weights removed)",
}
MOST = 12  # columns of numbers of weights: what fits a page


def trained(networks: Networks) -> pd.DataFrame:
    """What there is: a row a group and method, each network once, and how many there are that differ beyond seeds."""
    rows = []
    for group, part in networks.groups(networks.once):
        for method, own in sorted(part.groupby("method"), key=lambda item: methods.rank(str(item[0]))):
            rows.append(
                {
                    "": _capital(networks.title(group)),
                    "method": PHASES.get(methods.base(str(method))) or methods.look(str(method)).name,
                    "networks": f"{len(own):,}",
                    "different but for seeds": f"{len(own.drop_duplicates(CONFIGURATION)):,}",
                    "widths": _levels(own["width"]),
                    "weights": span(own["weights"].dropna()),
                    "learning rates": _levels(own["learning_rate"]),
                    "schedules": own["schedule"].nunique(),
                    "batch orders": own["order_seed"].nunique(),
                }
            )
    return pd.DataFrame(rows)


def sparsest(networks: Networks, tables: Tables) -> dict[str, pd.DataFrame]:
    """Smallest nonzeros by method and width, the connected ones in brackets where they are fewer.

    Methods that reach the target at no width are left out, but for those with a published number.
    """
    shown = {}
    for group, part in networks.groups(tables["sparsest"]):
        for target, every in part.groupby("target"):
            known = every.groupby("method")[["nonzeros", "published"]].transform("count")
            rows = every[known.sum(axis=1) > 0]
            if rows.empty:
                continue
            cells = [_size(*row) for row in zip(rows["nonzeros"], rows["connected_nonzeros"], strict=True)]
            wide = _by_width(rows.assign(cell=cells))
            published = rows.dropna(subset=["published"]).drop_duplicates("method").set_index("method")["published"]
            if len(published):
                names = sorted(rows["method"].unique(), key=methods.rank)
                wide["published"] = [str(published.get(name, "")) for name in names]
            shown[f"{_capital(networks.title(group))}: {target:g} %"] = wide
    return shown


def networks_behind(networks: Networks, tables: Tables) -> pd.DataFrame:
    """The network behind the smallest number of each method, at its best width."""
    rows = tables["sparsest_networks"].merge(tables["sparsest"][[*KEYS, "target", *COUNTS]], on=[*KEYS, "target"])
    rows = rows.sort_values("nonzeros", kind="stable")
    rows = rows.drop_duplicates(["dataset", "initialisation", "method", "target"]).sort_index()
    as_small, all_of_it = (
        [f"{some:,} of {of:,}" for some, of in zip(rows[reached], rows[count], strict=True)]
        for reached, count in (("reached_as_small", "n_as_small"), ("reached", "n"))
    )
    return pd.DataFrame(
        {
            "": [_capital(networks.title(key)) for key in zip(rows["dataset"], rows["initialisation"], strict=True)],
            "target": [f"{target:g} %" for target in rows["target"]],
            "method": [methods.look(name).name for name in rows["method"]],
            "width": [f"{width:g}" for width in rows["width"]],
            "nonzeros": rows["nonzeros"].astype(str),
            "reach it, of those as small": as_small,
            "reach it, of all of that width": all_of_it,
            "structure": rows["structure"],
            "accuracy, %": [number(value, 2) for value in rows["accuracy"]],
            "learning rate": [f"{rate:g}" for rate in rows["learning_rate"]],
            "schedule": rows["schedule"],
            "batch order": rows["order_seed"].astype(int),
            "network": rows["network_id"].str[:12],
        }
    )


def accuracy(networks: Networks, tables: Tables) -> dict[str, pd.DataFrame]:
    """Best accuracy by method and weights asked for, in brackets the share that reaches the lower target."""
    shown = {}
    for (group, part), width in (
        (each, width) for each in networks.groups(tables["accuracy"]) for width in usual_widths(each[1])
    ):
        rows = part[~methods.searched(part) & (part["width"] == width)]
        if rows.empty:
            continue
        weights = sorted(rows["weights"].unique())
        step = -(-len(weights) // MOST)
        rows = rows[rows["weights"].isin(weights[::step])]
        cells = [
            f"{number(best)} ({number(share, 0)})"
            for best, share in zip(rows["best"], rows[f"percent_reaching_{TARGETS[0]:g}"], strict=True)
        ]
        wide = rows.assign(cell=cells).pivot(index="method", columns="weights", values="cell").fillna("")
        wide = wide.loc[sorted(wide.index, key=methods.rank)].reset_index()
        wide["method"] = [methods.look(name).name for name in wide["method"]]
        shown[f"{_capital(networks.title(group))}, width {width:g}: by weights kept"] = wide
    return shown


def batch_orders(networks: Networks, tables: Tables) -> dict[str, pd.DataFrame]:
    """The repeated structures, those that the paper's phase 1 ended with alone if there are any."""
    table = tables["batch_orders"]
    table = table[table["method"] == methods.STRUCTURED]
    named = table[table["structure"].isin([winner.structure for winner in WINNERS])]
    shown = {}
    for group, part in networks.groups(named if len(named) else table):
        for structure, rows in part.groupby("structure"):
            columns = {
                "learning rate": [f"{rate:g}" for rate in rows["learning_rate"]],
                "schedule": rows["schedule"],
                "trainings": rows["n"],
                "best, %": [number(value, 2) for value in rows["best"]],
                "median, %": [number(value, 2) for value in rows["median"]],
            }
            for target in TARGETS:
                columns[f"reach {target:g} %"] = [
                    f"{number(share, 0)} %" for share in rows[f"percent_reaching_{target:g}"]
                ]
            shown[f"Structure {structure}, {networks.title(group)}"] = pd.DataFrame(columns)
    return shown


def connectivity(networks: Networks, tables: Tables) -> dict[str, pd.DataFrame]:
    """Share of the nonzeros that lie on no path, by method and width, and in brackets of networks without any path."""
    shown = {}
    for group, part in networks.groups(tables["connectivity"]):
        rows = part[~methods.searched(part)]
        if len(rows):
            cells = [
                f"{number(share)} ({number(none, 0)})"
                for share, none in zip(rows["disconnected_nonzeros"], rows["without_a_path"], strict=True)
            ]
            weights = span(rows[["weights_min", "weights_max"]].stack())
            shown[f"{_capital(networks.title(group))}, {weights} weights"] = _by_width(rows.assign(cell=cells))
    return shown


def pruning_after_training(networks: Networks, tables: Tables) -> pd.DataFrame:
    """How many weights go, and how few are left, by method."""
    rows = tables["pruning_after_training"]
    return pd.DataFrame(
        {
            "": [_capital(networks.title(key)) for key in zip(rows["dataset"], rows["initialisation"], strict=True)],
            "target": [f"{target:g} %" for target in rows["target"]],
            "method": [methods.look(name).name for name in rows["method"]],
            "width": [f"{width:g}" for width in rows["width"]],
            "networks that reach it": [f"{count:,}" for count in rows["n"]],
            "can lose weights": [f"{number(share, 0)} %" for share in rows["prunable"]],
            "removed, median": [number(value, 0) for value in rows["removed_median"]],
            "removed, most": [number(value, 0) for value in rows["removed_max"]],
            "fewest weights left": rows["weights_left_min"].astype(int),
        }
    )


def smallest_after_training(networks: Networks, tables: Tables) -> dict[str, pd.DataFrame]:
    """Nonzeros that pruning after training leaves, by method and width, in brackets how many networks were pruned."""
    shown = {}
    for group, part in networks.groups(tables["smallest_after_training"].dropna(subset=["nonzeros_left"])):
        for target, rows in part.groupby("target"):
            cells = [f"{left:.0f} ({count:,})" for left, count in zip(rows["nonzeros_left"], rows["n"], strict=True)]
            caption = f"{_capital(networks.title(group))}: nonzeros left at {target:g} %, of so many networks"
            shown[caption] = _by_width(rows.assign(cell=cells))
    return shown


def _by_width(rows: pd.DataFrame) -> pd.DataFrame:
    """`cell` by method and width."""
    wide = rows.pivot(index="method", columns="width", values="cell").fillna("")
    wide = wide.loc[sorted(wide.index, key=methods.rank)].rename(columns=lambda width: f"width {width:g}").reset_index()
    wide["method"] = [methods.look(name).name for name in wide["method"]]
    return wide


def _size(nonzeros: object, connected: object) -> str:
    if pd.isna(nonzeros):
        return NOT_REACHED
    return f"{nonzeros}" if nonzeros == connected else f"{nonzeros} ({connected})"


def _levels(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(values.unique()))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
