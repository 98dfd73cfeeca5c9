"""The study's networks by data set, initialisation, method and width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis.runs import Runs
from analysis.sparsest import methods
from analysis.sparsest.published import POINTS, RANDOM, REGIME, unlike_the_paper
from raydensity.published_digests import PUBLISHED, display_name

GROUP = ["dataset", "initialisation"]  # networks that may be held against one another: a panel, a claim
KEYS = [*GROUP, "method", "width"]
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
    that a mask of the search has), `accuracy` in percent and the record's counts; NaN where it diverged. `by_method`
    has the structured networks of the search a second time, as a method of their own. `lists` has the columns of the
    record that are lists, under the same index.
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


def structure_weights(structure: str) -> int:
    """Weights of a structure such as 3x2x2 of which none is removed, with the spiral's two inputs and one output."""
    sizes = [2, *map(int, filter(None, structure.split("x"))), 1]
    return sum(before * after for before, after in pairwise(sizes))


def _labels(frame: pd.DataFrame, columns: list[str], label: Callable[..., str]) -> pd.Series:
    """The label of each row, which is made once for each combination of the columns."""
    numbers = frame.groupby(columns, sort=False, dropna=False).ngroup()
    combinations = frame[columns].loc[~numbers.duplicated()].itertuples(index=False, name=None)
    names = [label(*row) for row in combinations]
    return numbers.map(dict(enumerate(names)))
