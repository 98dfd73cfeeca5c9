"""Plan: which networks of a grid are left to do, in which cohorts, and what that will take."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.table import Table

from raydensity import cost_model, costs, placement
from raydensity.cost_model import Need
from raydensity.ledger import Ledger
from raydensity.placement import Kind, Node, Slots
from raydensity.spec import NetworkSpec

EPOCH_BYTES, ROW_BYTES = 5 * 8, 6_000  # of a record, before the ledger has some to measure
MOST_POINTS = 100
TRACKED_BYTES = 160  # that MLflow's database takes for one value
KIND = ("data set", "architecture", "optimizer", "sparsity")
COLUMNS = (*KIND, "width", "networks", "done", "cohorts", "networks each", "GPU each", "slot time")


@dataclass(frozen=True)
class Cohort:
    """Networks that train together, the seconds until their last epoch, and the share of a GPU.

    The time is estimated. A share of 0 is one CPU core. `required` is what else Ray is asked for (placement.Slots).
    """

    specs: tuple[NetworkSpec, ...]
    seconds: float
    gpu: float = 0
    required: tuple[tuple[str, float], ...] = ()

    @property
    def device(self) -> str:
        return "gpu" if self.gpu else "cpu"

    @property
    def resources(self) -> dict[str, float]:
        """The request to Ray."""
        return {"cpu": 1, "gpu": self.gpu, **dict(self.required)}

    @property
    def work(self) -> tuple[Kind, float]:
        """The kind of slots that it runs in, and its seconds."""
        return (self.device, self.required), self.seconds


@dataclass(frozen=True)
class Plan:
    """A sweep before it runs. `networks` are all of the grid by id, `done` those that the ledger holds; `slots` are the
    kinds that there are."""

    study: str
    scale: str
    networks: Mapping[str, NetworkSpec]
    done: frozenset[str]
    cohorts: list[Cohort]
    slots: Sequence[Slots]
    disk: float

    @property
    def slot_counts(self) -> dict[Kind, int]:
        """How many cohorts run at a time in slots of each kind."""
        return placement.slot_counts(self.slots)

    @property
    def seconds(self) -> float:
        """Wall time, if all networks train to their last epoch."""
        return placement.makespan([cohort.work for cohort in self.cohorts], self.slot_counts)

    def table(self) -> Table:
        """One row a kind of network: how many, done, in how many cohorts, where, how long."""
        # By cohort_key: what a kind is need not be asked of each of half a million networks.
        networks, done, cohorts = Counter[str](), Counter[str](), defaultdict[str, list[Cohort]](list)
        first: dict[str, NetworkSpec] = {}
        for (network, spec), key in zip(self.networks.items(), costs.cohort_keys(self.networks.values()), strict=True):
            networks[key] += 1
            done[key] += network in self.done
            first.setdefault(key, spec)
        for cohort in self.cohorts:
            cohorts[cohort.specs[0].cohort_key].append(cohort)
        kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key, spec in first.items():
            kinds[kind(spec.factors())].append(key)
        rows = []
        for words, keys in kinds.items():
            own = [cohort for key in keys for cohort in cohorts[key]]
            sizes = sorted({len(cohort.specs) for cohort in own})
            counts = (sum(networks[key] for key in keys), sum(done[key] for key in keys), len(own))
            each = "-".join(map(str, dict.fromkeys((sizes[0], sizes[-1])))) if sizes else ""
            gpu = max((cohort.gpu for cohort in own), default=0.0)
            seconds = duration(sum(cohort.seconds for cohort in own)) if own else ""
            rows.append((*words, *(f"{count:,}" for count in counts), each, f"{gpu:g}" if gpu else "", seconds))
        return table_of(f"{self.study} · {self.scale}", COLUMNS, rows)

    def summary(self) -> str:
        """The plan in one sentence."""
        left = sum(len(cohort.specs) for cohort in self.cohorts)
        text = f"{len(self.networks):,} networks, {len(self.done):,} of them done"
        if not left:
            return f"{text}: nothing to train"
        used = {cohort.device for cohort in self.cohorts}
        where = " and ".join(
            f"{slot.count} at a time" + (f", each on {slot.gpu:g} of a GPU" if slot.gpu else " on cores")
            for slot in self.slots
            if slot.device in used and not slot.required
        )
        return (
            f"{text}; {left:,} to train in {len(self.cohorts):,} cohorts, {where}: "
            f"about {duration(self.seconds)}, {self.disk / 2**20:,.0f} MiB on disk"
        )


def make(
    study: str,
    *,
    scale: str,
    networks: Mapping[str, NetworkSpec],
    ledger: Ledger,
    nodes: Sequence[Node],
    finished: pa.Table | None = None,
    gpus_per_cohort: float | None = None,
    tracked: bool = True,
) -> Plan:
    """Drop what the ledger holds, pack the rest into cohorts and order them as they should start, the costliest first.

    `finished` is the ledger's summary where it has been read already; `tracked` says whether every network will have a
    run in MLflow. ValueError if a network cannot be built or a forced share of a GPU cannot be had.
    """
    finished = ledger.summary(whole=True) if finished is None else finished
    ids, specs = list(networks), list(networks.values())
    known = costs.kinds(specs)
    for spec in known.specs:
        cost_model.check_sparsity(spec)
    position = pc.index_in(finished["network_id"], pa.array(ids, pa.string())).fill_null(-1).to_numpy()
    done = np.zeros(len(ids), dtype=bool)
    done[position[position >= 0]] = True
    # A grid that is done needs no place; a forced share could fail for nothing.
    slots = placement.slots(nodes, gpus_per_cohort=None if done.all() else gpus_per_cohort)
    places = _places(known, slots)
    on = {slot.device: costs.needs(known, finished, position, device=slot.device) for slot in slots}
    needs = [on[place.device][kind] for kind, place in enumerate(places)]
    seconds = np.array([need.seconds for need in needs])[known.of]
    groups: dict[Slots, list[NDArray[np.int64]]] = defaultdict(list)
    for group in _grouped(np.flatnonzero(~done), known, specs):
        groups[places[known.of[group[0]]]].append(group)
    cohorts = []
    for slot, here in groups.items():
        own = [_mean_need([needs[kind] for kind in np.unique(known.of[group])], seconds[group]) for group in here]
        parts = placement.split([len(group) for group in here], own, slot)
        for group, need, count in zip(here, own, parts, strict=True):
            for part in placement.cut(seconds[group], count, need, slot):
                chosen = group[part]
                taken = replace(need, seconds=seconds[chosen].mean().item())
                gpu = slot.gpu
                if gpus_per_cohort is None:  # a forced share is the user's word, whatever the estimate
                    gpu = placement.share(taken.cohort_bytes(len(part)), slot)
                spent = taken.cohort_seconds(len(part))
                cohorts.append(Cohort(tuple(specs[i] for i in chosen), spent, gpu, slot.required))
    cohorts = _in_order(cohorts, placement.slot_counts(slots))
    row_bytes = ledger.bytes_per_network(finished)
    left = np.bincount(known.of[~done], minlength=len(needs)).tolist()
    disk = sum(count * _disk(spec, row_bytes, tracked) for count, spec in zip(left, known.specs, strict=True))
    checkpoint = {spec.cohort_key: need.checkpoint_bytes for spec, need in zip(known.specs, needs, strict=True)}
    checkpoints = (len(each.specs) * checkpoint[each.specs[0].cohort_key] for each in cohorts)
    at_once = sum(slot.count for slot in slots if not slot.required)
    disk += sum(sorted(checkpoints, reverse=True)[:at_once])
    return Plan(study, scale, networks, frozenset(compress(ids, done)), cohorts, slots, disk)


def _places(known: costs.Kinds, slots: Sequence[Slots]) -> list[Slots]:
    """Where the networks of each kind train. Those of a group do so on one device, as its costliest kind should."""
    if len(slots) == 1:
        return [slots[0]] * len(known.specs)
    counted = {
        device: [cost_model.need(spec, device=device) for spec in known.specs]
        for device in dict.fromkeys(slot.device for slot in slots)
    }
    costliest: dict[int, int] = {}
    first = next(iter(counted.values()))
    for kind in sorted(range(len(known.specs)), key=lambda kind: first[kind].seconds):
        costliest[known.group[kind]] = kind
    of_group = {
        group: placement.place({device: needs[kind] for device, needs in counted.items()}, slots)
        for group, kind in costliest.items()
    }
    return [of_group[group] for group in known.group.tolist()]


def _in_order(cohorts: Sequence[Cohort], slot_counts: Mapping[Kind, int]) -> list[Cohort]:
    """The costliest of each kind of slots first, and kinds as their cohorts should start.

    Tune asks Ray for the first few hundred trials alone: with those of one kind in front the others would wait. It
    keeps a worker, and its place, as long as there are trials for the same resources: so those that can run on few
    nodes stand before others that start with them, and then those that need a core beside a GPU.
    """
    found = sorted(cohorts, key=lambda cohort: -cohort.seconds)
    begin = placement.starts([cohort.work for cohort in found], slot_counts)
    order = sorted(range(len(found)), key=lambda place: (begin[place], not found[place].required, not found[place].gpu))
    return [found[place] for place in order]


def _grouped(networks: NDArray[np.int64], known: costs.Kinds, specs: Sequence[NetworkSpec]) -> list[NDArray[np.int64]]:
    """These networks of a grid, by their number and in its order, one array for each group that they are of.

    Networks that are compressed make a group with their original alone, which is then trained once.
    """
    group = known.group[known.of[networks]]
    made = {known.group[kind] for kind, spec in enumerate(known.specs) if spec.compression is not None}
    originals = {
        number: specs[number].original.id for number, own in zip(networks.tolist(), group, strict=True) if own in made
    }
    places: dict[str, int] = {}
    original = np.array([places.setdefault(originals.get(number, ""), len(places)) for number in networks.tolist()])
    keys = np.stack([group, original])
    order = np.lexsort(keys[::-1])
    ends = np.flatnonzero(np.diff(keys[:, order], axis=1).any(axis=0)) + 1
    return [part for part in np.split(networks[order], ends) if len(part)]


def _mean_need(needs: Sequence[Need], seconds: NDArray[np.float64]) -> Need:
    """What a network of a group takes on average, which are of these kinds and take these seconds each; what they share
    is that of the kind that shares most."""
    most = max(needs, key=lambda need: need.shared_seconds)
    return replace(most, seconds=seconds.mean().item())


def _disk(spec: NetworkSpec, row_bytes: float | None, tracked: bool) -> float:
    """Bytes of a network's row, in the ledger and in MLflow, and of its run."""
    epochs, points = spec.total_epochs, cost_model.pruning_points(spec, MOST_POINTS)
    row = row_bytes if row_bytes is not None else ROW_BYTES + EPOCH_BYTES * epochs
    return 2 * row + (TRACKED_BYTES * (4 * epochs + 2 * points) if tracked else 0)


def kind(factors: Mapping[str, Any]) -> tuple[str, ...]:
    """What a row of a table is about, from the record's columns of ledger.KINDS: KIND, and width."""
    sizes = [f"{factors[size]:,.0f} {size}" for size in ("inputs", "samples") if factors[size]]
    dataset = ", ".join([str(factors["dataset"]), *sizes])
    momentum = f", momentum {factors['momentum']:g}" if factors["momentum"] else ""
    optimizer = f"{factors['optimizer']}{momentum}"
    return dataset, str(factors["architecture"]), optimizer, str(factors["sparsity"]), f"{factors['width']:g}"


def table_of(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of kinds of networks, without columns that have nothing in them."""
    shown = [name for place, name in enumerate(columns) if not rows or any(row[place] for row in rows)]
    table = Table(title=title, title_justify="left")
    for name in shown:
        table.add_column(name, justify="left" if name in KIND else "right")
    for row in rows:
        table.add_row(*(cell for name, cell in zip(columns, row, strict=True) if name in shown))
    return table


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
