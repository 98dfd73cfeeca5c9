"""Plan: which networks of a grid are left to do, in which cohorts, and what that will take."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from rich.table import Table

from raydensity import data, placement
from raydensity.ledger import SECONDS, Ledger
from raydensity.placement import Cluster, Need, Slots
from raydensity.spec import NetworkSpec

EPOCH_BYTES, ROW_BYTES = 5 * 8, 6_000  # of a record, before the ledger has some to measure
MOST_POINTS = 100
TRACKED_BYTES = 160  # that MLflow's database takes for one value


@dataclass(frozen=True)
class Cohort:
    """Networks that train together, the seconds that this takes at most, and the share of a GPU (0: one CPU core)."""

    specs: tuple[NetworkSpec, ...]
    seconds: float
    gpu: float = 0

    @property
    def resources(self) -> dict[str, float]:
        """The request to Ray."""
        return {"cpu": 1, "gpu": self.gpu} if self.gpu else {"cpu": 1}


@dataclass(frozen=True)
class Plan:
    """A sweep before it runs. `networks` are all of the grid by id, `done` those that the ledger holds."""

    study: str
    scale: str
    networks: Mapping[str, NetworkSpec]
    done: frozenset[str]
    cohorts: list[Cohort]
    slots: Slots
    disk: float

    @property
    def seconds(self) -> float:
        """Wall time at most."""
        return placement.makespan([cohort.seconds for cohort in self.cohorts], self.slots.count)

    def table(self) -> Table:
        """One row a kind of network: how many, done, in how many cohorts, where, how long."""
        table = Table(title=f"{self.study} · {self.scale}", title_justify="left")
        for name in ("data set", "architecture", "optimizer", "sparsity"):
            table.add_column(name)
        for name in ("width", "networks", "done", "cohorts", "networks each", "GPU each", "slot time at most"):
            table.add_column(name, justify="right")
        cohorts: dict[tuple, list[Cohort]] = defaultdict(list)
        for cohort in self.cohorts:
            cohorts[_kind(cohort.specs[0])].append(cohort)
        kinds: dict[tuple, list[str]] = defaultdict(list)
        for network, spec in self.networks.items():
            kinds[_kind(spec)].append(network)
        for kind, ids in kinds.items():
            own = cohorts[kind]
            sizes = sorted({len(cohort.specs) for cohort in own})
            table.add_row(
                *map(str, kind[:4]),
                f"{kind[4]:g}",
                f"{len(ids):,}",
                f"{sum(network in self.done for network in ids):,}",
                f"{len(own):,}",
                "-".join(map(str, dict.fromkeys((sizes[0], sizes[-1])))) if sizes else "",
                f"{max(cohort.gpu for cohort in own):g}" if own else "",
                duration(sum(cohort.seconds for cohort in own)) if own else "",
            )
        return table

    def summary(self) -> str:
        """The plan in one sentence."""
        left = sum(len(cohort.specs) for cohort in self.cohorts)
        text = f"{len(self.networks):,} networks, {len(self.done):,} of them done"
        if not left:
            return f"{text}: nothing to train"
        where = f"{self.slots.count} at a time" + (f", each on {self.slots.gpu:g} of a GPU" if self.slots.gpu else "")
        return (
            f"{text}; {left:,} to train in {len(self.cohorts):,} cohorts, {where}: "
            f"about {duration(self.seconds)} at most, {self.disk / 2**20:,.0f} MiB on disk"
        )


def make(
    study: str,
    *,
    scale: str,
    networks: Mapping[str, NetworkSpec],
    ledger: Ledger,
    cluster: Cluster,
    gpus_per_cohort: float | None = None,
) -> Plan:
    """Drop what the ledger holds, pack the rest into cohorts and order them, the costliest first.

    ValueError if a network cannot be built or a forced share of a GPU cannot be had.
    """
    finished = ledger.summary()
    done = frozenset(finished["network_id"].to_pylist()).intersection(networks)
    # A grid that is done needs no place; a forced share could fail for nothing.
    slots = placement.slots(cluster, gpus_per_cohort=None if len(done) == len(networks) else gpus_per_cohort)
    groups: dict[str, list[str]] = defaultdict(list)
    for network, spec in networks.items():
        groups[spec.cohort_key].append(network)
    needs = _measured({key: networks[ids[0]] for key, ids in groups.items()}, groups, finished, slots)
    left = {key: [network for network in ids if network not in done] for key, ids in groups.items()}
    left = {key: ids for key, ids in left.items() if ids}
    parts = placement.split([len(ids) for ids in left.values()], [needs[key] for key in left], slots)
    cohorts = []
    for (key, ids), count in zip(left.items(), parts, strict=True):
        for part in np.array_split(ids, count):
            specs = tuple(networks[network] for network in part)
            taken = needs[key].cohort_bytes(len(specs))
            # A forced share is the user's word, whatever the estimate.
            forced = gpus_per_cohort is not None
            gpu = slots.gpu if forced else placement.share(taken, slots, gpu_memory=cluster.gpu_memory)
            cohorts.append(Cohort(specs, needs[key].cohort_seconds(len(specs)), gpu))
    cohorts.sort(key=lambda cohort: -cohort.seconds)
    row_bytes = ledger.bytes_per_network(finished)
    disk = sum(_disk(spec, row_bytes) for cohort in cohorts for spec in cohort.specs)
    checkpoints = (len(each.specs) * needs[each.specs[0].cohort_key].checkpoint_bytes for each in cohorts)
    disk += sum(sorted(checkpoints, reverse=True)[: slots.count])  # of those that run at the same time
    return Plan(study, scale, networks, done, cohorts, slots, disk)


def _measured(
    specs: Mapping[str, NetworkSpec], groups: Mapping[str, Iterable[str]], finished: pa.Table, slots: Slots
) -> dict[str, Need]:
    """What each group needs: as measured where the ledger has such networks, else scaled as their architecture was."""
    sizes = Counter(finished["cohort_id"].to_pylist())
    here = {
        row["network_id"]: row
        for row in finished.select(["network_id", "cohort_id", "device", *SECONDS]).to_pylist()
        if (row["device"] == "cpu") == (slots.device == "cpu")
    }
    needs = {key: placement.need(spec, device=slots.device) for key, spec in specs.items()}
    own_ratio, ratios = {}, defaultdict(list)
    for key, ids in groups.items():
        rows = [here[network] for network in ids if network in here]
        if rows:
            # A network's measured seconds hold its part of what its cohort shared: so must those to compare with.
            cohorts = (sizes[row["cohort_id"]] for row in rows)
            expected = sum(needs[key].cohort_seconds(size) / size for size in cohorts)
            own_ratio[key] = sum(row[name] for row in rows for name in SECONDS) / expected
            ratios[specs[key].architecture.name].append(own_ratio[key])
    measured = {}
    for key, each in needs.items():
        likely = np.median(ratios.get(specs[key].architecture.name, [1.0])).item()
        measured[key] = each.scaled(own_ratio.get(key, likely))
    return measured


def _disk(spec: NetworkSpec, row_bytes: float | None) -> float:
    epochs, points = spec.total_epochs, placement.pruning_points(spec, MOST_POINTS)
    record = row_bytes if row_bytes is not None else ROW_BYTES + EPOCH_BYTES * epochs
    return record + TRACKED_BYTES * (4 * epochs + 2 * points)


def _kind(spec: NetworkSpec) -> tuple[str, str, str, str, float]:
    dataset = data.describe(spec.dataset).name
    sparsity = spec.sparsity.name if spec.sparsity else ""
    return dataset, spec.architecture.name, spec.training.optimizer.name, sparsity, spec.architecture.width


def duration(seconds: float) -> str:
    """Seconds as a reader says them: 40 s, 12 min, 3 h 20 min, 4 d 6 h."""
    if seconds < 99.5:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
