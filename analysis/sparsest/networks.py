"""The study's networks by data set, initialisation, method and width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.runs import Runs
from analysis.sparsest import methods
from analysis.sparsest.published import POINTS, RANDOM, REGIME, unlike_the_paper
from raydensity.pruning import search
from raydensity.published_digests import PUBLISHED, display_name

GROUP = ["dataset", "initialisation"]  # networks that may be held against one another: a panel, a claim
KEYS = [*GROUP, "method", "width"]
CONFIGURATION = [*KEYS, "weights", "structure", "mask", "learning_rate", "schedule"]  # what is alike but for seeds
DATA = ["dataset", "noise", "samples"]
# Factors that make data sets of their own where a sweep varies them.
SETTINGS = ["hidden", "batch_size", "max_epochs", "optimizer", "momentum", "weight_decay", "precision"]
METHOD = ["sparsity", "initial_weights", "initializer", "distribution", "published", "shuffled", "rewind_epoch"]
FACTORS = ["width", "structure", "nonzeros_asked", "learning_rate", "schedule", "order_seed"]
RESULTS = ["validation_accuracy", "weights_kept", "nonzeros", "connected_nonzeros"]
INITIALISATIONS = [*PUBLISHED, RANDOM]


@dataclass(frozen=True)
class Networks:
    """The sparse networks of a sweep.

    `every` has a row a network: its factors, `dataset` (in words, with the settings that the sweep varied),
    `initialisation` (random, or the name of published weights), `method`, `weights` (that a pruner was asked for, or
    that a mask of the search has), `mask` (of the search, in numbers), `accuracy` in percent and the record's
    counts; NaN where it diverged. `by_method` has the structured networks of the search a second time, as a method of
    their own; `once` has them as that method alone. `lists` has the columns of the record that are lists, under the
    same index.
    """

    every: pd.DataFrame
    by_method: pd.DataFrame
    lists: pd.DataFrame
    unlike: dict[tuple[str, str], list[str]]  # by data set and initialisation: where they differ from the paper's
    study: str
    scale: str
    planned: int
    found: int

    @property
    def diverged(self) -> int:
        return int(self.every["accuracy"].isna().sum())

    @cached_property
    def finished(self) -> pd.DataFrame:
        """`by_method` without the networks that diverged."""
        return self.by_method.dropna(subset=["accuracy"])

    @cached_property
    def once(self) -> pd.DataFrame:
        """`by_method` with each network once: the search's networks of whole structures stand under that method."""
        return self.by_method[~self.by_method.index.duplicated()]

    def groups(self, frame: pd.DataFrame | None = None) -> list[tuple[tuple[str, str], pd.DataFrame]]:
        """The networks (or rows of a table) of each data set and initialisation."""
        rows = self.by_method if frame is None else frame
        return sorted(
            (((str(data), str(initialisation)), part) for (data, initialisation), part in rows.groupby(GROUP)),
            key=lambda item: (item[0][0], place(item[0][1])),
        )

    def title(self, group: tuple[str, str]) -> str:
        """A data set and initialisation in words; without the data set where there is one alone."""
        data, initialisation = group
        words = "random initialisation" if initialisation == RANDOM else f"from {initialisation}"
        return words if self.every["dataset"].nunique() == 1 else f"{data}, {words}"

    def phase_1_alone(self, group: tuple[str, str]) -> bool:
        """Whether all networks of a group's search are whole structures, so that `search` is its first phase."""
        rows = of_group(self.once, group)
        rows = rows[methods.searched(rows)]
        return bool(len(rows) and rows["method"].map(methods.base).eq(methods.STRUCTURED).all())

    def is_published(self, group: tuple[str, str]) -> bool:
        """Whether these networks were trained as the paper's, and can speak on its claims."""
        return not self.unlike[group]


def prepare(runs: Runs) -> Networks:
    """The networks of a sweep that the study is about. Raises ValueError where none has finished."""
    frame = runs.networks
    sparse = frame[frame["sparsity"] != ""]
    if sparse.empty or not sparse["status"].eq("finished").any():
        raise ValueError(f"none of the {len(frame)} networks of sweep {runs.sweep_id} is sparse and did not diverge")
    every = sparse[["network_id", *FACTORS, *RESULTS]].copy()
    for count in ("weights_kept", "nonzeros", "connected_nonzeros"):
        every[count] = every[count].astype("Int64")
    every["accuracy"] = 100 * every.pop("validation_accuracy").where(sparse["status"] == "finished")
    varied = [setting for setting in SETTINGS if sparse[setting].nunique() > 1]
    every["dataset"] = _labels(sparse, [*DATA, *varied], partial(data_set, varied))
    digests = sparse["initial_weights"]
    every["initialisation"] = digests.map({digest: display_name(digest) or RANDOM for digest in digests.unique()})
    every["method"] = _labels(sparse, METHOD, methods.label)
    explicit = every["structure"] != ""
    every["weights"] = every.pop("nonzeros_asked").astype("Int64").mask(explicit, every["weights_kept"])
    settings = sparse[[*REGIME, "max_epochs", "sparsity", "width"]]
    unlike = {
        (str(data), str(start)): unlike_the_paper(part)
        for (data, start), part in settings.groupby([every[name] for name in GROUP])
    }
    every["mask"] = _masks(sparse, explicit)
    full = {structure: structure_weights(structure) for structure in every.loc[explicit, "structure"].unique()}
    structured = every[(every["weights_kept"] == every["structure"].map(full)).fillna(False).astype(bool)]
    names = {name: methods.STRUCTURED + name.removeprefix(methods.SEARCH) for name in structured["method"].unique()}
    by_method = pd.concat([structured.assign(method=structured["method"].map(names)), every])
    lists = [name for name in frame.columns if name.startswith(("prune_", "kept_")) or name == "disconnected_units"]
    return Networks(
        every=every,
        by_method=by_method,
        lists=sparse[[*lists, "hidden", "samples"]],
        unlike=unlike,
        study=runs.study,
        scale=runs.scale,
        planned=runs.planned,
        found=len(frame),
    )


def of_group(table: pd.DataFrame, group: tuple[str, str]) -> pd.DataFrame:
    """The rows of one data set and initialisation."""
    return table[(table["dataset"] == group[0]) & (table["initialisation"] == group[1])]


def data_set(varied: Sequence[str], name: str, noise: float, samples: int, *settings: Any) -> str:
    """A data set in words: "spiral, noise 0.1, 10,000 points", and the settings that the sweep `varied`."""
    words = [name]
    words += [f"noise {noise:g}"] if noise else []
    words += [f"{samples:,} points"] if samples not in (0, POINTS) else []
    words += [f"{factor.replace('_', ' ')} {level}" for factor, level in zip(varied, settings, strict=True)]
    return ", ".join(words)


def place(initialisation: str) -> int:
    """Place of an initialisation in tables and figures."""
    return INITIALISATIONS.index(initialisation) if initialisation in INITIALISATIONS else len(INITIALISATIONS)


def span(values: pd.Series) -> str:
    """The smallest to the largest of some numbers, in words."""
    return " to ".join(f"{value:,}" for value in sorted({values.min(), values.max()}))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Data sets, initialisations, targets, methods and widths in the order of the report."""
    ranks = {name: rank for rank, name in enumerate(sorted(table["method"].unique(), key=methods.rank))}
    keys = [name for name in ("dataset", "initialisation", "target", "method", "width", "weights") if name in table]

    as_rank = {"method": ranks.get, "initialisation": place}
    return table.sort_values(
        keys, key=lambda column: column.map(as_rank.get(str(column.name), lambda value: value)), ignore_index=True
    )


def structure_weights(structure: str) -> int:
    """Weights of a structure such as 3x2x2 of which none is removed."""
    return search.weights(search.structured([int(units) for units in structure.split("x")]))


def _masks(records: pd.DataFrame, explicit: pd.Series) -> pd.Series:
    """The masks of the search: for each unit the bits of its kept inputs (bit 0: the first), layers apart by spaces.

    Read from the weights that a record holds, so the masks of networks that diverged are unknown, and like those of
    pruners empty.
    """
    words: dict[bytes, str] = {}  # there are several networks a mask
    found = []
    for place in zip(*(records.loc[explicit, f"kept_{name}"] for name in ("layer", "unit", "input")), strict=True):
        key = b"".join(np.asarray(each).tobytes() for each in place)
        if key not in words:
            words[key] = _mask(*(np.asarray(each, dtype=int).tolist() for each in place))
        found.append(words[key])
    return pd.Series(found, index=records.index[explicit], dtype=object).reindex(records.index, fill_value="")


def _mask(layers: list[int], units: list[int], inputs: list[int]) -> str:
    rows: dict[int, dict[int, int]] = {}
    for layer, unit, source in zip(layers, units, inputs, strict=True):
        if source >= 0:  # no bias
            bits = rows.setdefault(layer, {})
            bits[unit] = bits.get(unit, 0) | 1 << source
    return " ".join(",".join(str(bits[unit]) for unit in sorted(bits)) for _, bits in sorted(rows.items()))


def _labels(frame: pd.DataFrame, columns: list[str], label: Callable[..., str]) -> pd.Series:
    """The label of each row, which is made once for each combination of the columns."""
    numbers = frame.groupby(columns, sort=False, dropna=False).ngroup()
    combinations = frame[columns].loc[~numbers.duplicated()].itertuples(index=False, name=None)
    names = [label(*row) for row in combinations]
    return numbers.map(dict(enumerate(names)))
