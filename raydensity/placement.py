"""Placement: which slots a cluster has, where networks train, how large their cohorts are, in which order they start.

What networks take is the cost model's to say (cost_model.py).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raydensity.cost_model import Need

COHORTS_PER_GPU = 4  # as many as can share one GPU by default
LONGEST = 3600.0  # seconds that a cohort should not exceed
SHARED = 3  # a cohort's networks should cost this many times what it shares
ROUNDS = 4  # cohorts per slot at least, where work can be split that far: slots then finish together
MEMORY_SHARE = 0.6  # of a slot's memory that a cohort may be planned to fill; estimates err
RICHER = 1.5  # times the memory that slots have everywhere, from which on others count as of another kind
SURE = 3.0  # times as fast as compiled passes on cores, by estimates that err, must GPUs be to take their networks
ANY = 0.001  # of the resource by which Ray knows a kind of GPU: enough to be placed there


Kind = tuple[str, tuple[tuple[str, float], ...]]
"""What tells slots apart: device, and resources that are required."""


@dataclass(frozen=True)
class Node:
    """A machine that runs cohorts: CPU cores, GPUs, and bytes of memory, for each core and of each GPU.

    `accelerator` is the resource by which Ray knows its kind of GPU, such as accelerator_type:H100.
    """

    cpus: int
    gpus: float = 0
    memory_per_cpu: float = 2 * 2**30
    gpu_memory: int = 0  # 0 where no GPU could be asked
    accelerator: str = ""


@dataclass(frozen=True)
class Slots:
    """Where cohorts run: how many at a time, each with how much of a GPU (0: on one CPU core) and bytes of memory.

    `gpu_memory` is that of the whole GPU. `required` are further resources, by which Ray finds nodes that have such
    slots where others do not.
    """

    count: int
    gpu: float
    memory: float
    gpu_memory: int = 0
    required: tuple[tuple[str, float], ...] = ()

    @property
    def device(self) -> str:
        return "gpu" if self.gpu else "cpu"

    @property
    def kind(self) -> Kind:
        return self.device, self.required


def slots(nodes: Sequence[Node], *, gpus_per_cohort: float | None = None) -> list[Slots]:
    """The kinds of slots: shares of GPUs, and cores that drive none of these; of each, the slots that any node has and
    then those of richer nodes alone, which count among the former, too.

    `gpus_per_cohort` forces the share, and leaves the other cores idle; 0 keeps to the cores. ValueError if no node can
    give it: Ray would wait forever.
    """
    with_gpus = [node for node in nodes if int(node.gpus)]
    share = (1 / COHORTS_PER_GPU if with_gpus else 0) if gpus_per_cohort is None else gpus_per_cohort
    if not share:
        return _core_slots([(node.cpus, node.memory_per_cpu) for node in nodes])
    if not 0 < share <= 1:
        raise ValueError(f"--gpus-per-cohort: {share:g} is not between 0 and 1; a cohort runs on one GPU at most")
    if not with_gpus:
        raise ValueError(f"--gpus-per-cohort: {share:g} cannot be had, Ray sees no GPU here; leave it out, or set 0")
    found = _gpu_slots(with_gpus, share)
    if gpus_per_cohort is None:
        found += _core_slots([(node.cpus - _cohorts_on_gpus(node, share), node.memory_per_cpu) for node in nodes])
    return found


def _cohorts_on_gpus(node: Node, share: float) -> int:
    """How many cohorts run on the GPUs of a node at a time; each has a core, too."""
    return min(node.cpus, int(node.gpus) * math.floor(1 / share + 1e-6))


def _gpu_slots(nodes: Sequence[Node], share: float) -> list[Slots]:
    def of(some: Sequence[Node], *required: tuple[str, float]) -> Slots:
        gpu_memory = min(node.gpu_memory for node in some)
        # A cohort stays on its core where the GPU is none of CUDA's.
        memory = gpu_memory / math.floor(1 / share + 1e-6) or min(node.memory_per_cpu for node in some)
        return Slots(sum(_cohorts_on_gpus(node, share) for node in some), share, memory, gpu_memory, required)

    everywhere = of(nodes)
    accelerators = sorted({node.accelerator for node in nodes if node.accelerator})
    of_each = [of([node for node in nodes if node.accelerator == name], (name, ANY)) for name in accelerators]
    return [everywhere, *(slot for slot in of_each if slot.memory >= RICHER * everywhere.memory)]


def _core_slots(cores: Iterable[tuple[int, float]]) -> list[Slots]:
    """Of nodes that have so many cores left, with so much memory for each."""
    found: list[Slots] = []
    left = sorted((memory, count) for count, memory in cores if count)
    for memory, _ in left:
        if not found or memory >= RICHER * found[-1].memory:
            count = sum(own for there, own in left if there >= memory)
            found.append(Slots(count, 0, memory, required=(("memory", int(memory)),) if found else ()))
    return found


def place(needs: Mapping[str, Need], places: Sequence[Slots]) -> Slots:
    """Where networks train that need this on "cpu" and on "gpu": on a GPU if there is one, but on cores if they have
    compiled passes for them and GPUs are not faster by far; there in those slots that together do most in a second.

    What one network does not fit into is out of question, unless it fits nowhere. How much there is left to do plays no
    part: resumed, a sweep goes on where it was.
    """

    def rate(slot: Slots) -> float:
        own = needs[slot.device]
        networks = largest_cohort(own, slot)
        return slot.count * networks / own.cohort_seconds(networks)

    def room(slot: Slots) -> float:
        # On a GPU that is none of CUDA's a cohort stays on its core.
        own = needs[slot.device] if slot.gpu_memory else needs.get("cpu", needs[slot.device])
        return (slot.gpu_memory or slot.memory) - own.cohort_bytes(1) / MEMORY_SHARE

    fitting = [slot for slot in places if room(slot) >= 0] or [max(places, key=room)]
    fastest = {slot.device: slot for slot in sorted(fitting, key=rate)}
    if len(fastest) == 1:
        [only] = fastest.values()
        return only
    on_cores = needs["cpu"].compiled and rate(fastest["gpu"]) < SURE * rate(fastest["cpu"])
    return fastest["cpu" if on_cores else "gpu"]


def largest_cohort(needs: Need, slot: Slots) -> int:
    """How many such networks a slot's memory holds; at least one, which is then tried."""
    held = (MEMORY_SHARE * slot.memory - needs.shared_bytes) / needs.bytes
    return max(1, min(needs.largest, int(held)))


def split(counts: Sequence[int], needs: Sequence[Need], slot: Slots) -> list[int]:
    """Into how many cohorts to split each group of like networks: until every slot has work, and memory holds them.

    A cohort is worth at most its slot's part of the whole work and LONGEST seconds, yet large enough that what it
    shares costs little beside its networks; where that leaves slots empty, the costliest cohorts are split further.
    """
    groups = list(zip(counts, needs, strict=True))
    fair = min(LONGEST, sum(each.cohort_seconds(count) for count, each in groups) / (slot.count * ROUNDS))
    parts = []
    for count, each in groups:
        worthwhile = max(each.smallest, math.ceil(SHARED * each.shared_seconds / each.seconds))
        size = min(max(int(fair / each.seconds), worthwhile), largest_cohort(each, slot))
        parts.append(max(1, count // size) if size == each.smallest else math.ceil(count / size))

    def splittable(group: int) -> float:
        count, each = groups[group]
        if count // (parts[group] + 1) < each.smallest:
            return 0.0
        return each.cohort_seconds(count / parts[group])

    while groups and sum(parts) < slot.count:
        costliest = max(range(len(groups)), key=splittable)
        if not splittable(costliest):
            break
        parts[costliest] += 1
    return parts


def cut(seconds: NDArray[np.float64], parts: int, need: Need, slot: Slots) -> list[NDArray[np.int64]]:
    """Which of a group's networks, that take these seconds each, go into which cohort: neighbours, split into `parts`
    that take as long as one another, and those further that have too many networks for a slot. `need` is the group's.
    """
    ends = np.cumsum(seconds)
    middles = ends - seconds / 2
    bounds = np.searchsorted(middles, ends[-1] * np.arange(1, parts) / parts)
    cohorts = []
    for part in np.split(np.arange(len(seconds)), bounds):
        if len(part):
            most = largest_cohort(replace(need, seconds=seconds[part].mean()), slot)
            cohorts += np.array_split(part, math.ceil(len(part) / most))
    return cohorts


def share(bytes_needed: float, slot: Slots) -> float:
    """The share of a GPU for a cohort: the slot's, or as much more as its memory takes, up to a whole one."""
    if not slot.gpu or not slot.gpu_memory:
        return slot.gpu
    fitting = max(1, math.floor(MEMORY_SHARE * slot.gpu_memory / bytes_needed))
    return max(slot.gpu, 1 / fitting)


def slot_counts(slots: Iterable[Slots]) -> dict[Kind, int]:
    """How many cohorts run at a time in slots of each kind."""
    return {slot.kind: slot.count for slot in slots}


def starts(work: Iterable[tuple[Kind, float]], slot_counts: Mapping[Kind, int]) -> list[float]:
    """When cohorts start, in this order, each in the first free slot of its kind; `work` has kind and seconds of each,
    `slot_counts` how many slots there are. Slots of richer nodes count as if others left them free."""
    free = {kind: [0.0] * count for kind, count in slot_counts.items()}
    return [heapq.heapreplace(free[kind], free[kind][0] + seconds) for kind, seconds in work]


def makespan(work: Sequence[tuple[Kind, float]], slot_counts: Mapping[Kind, int]) -> float:
    """Seconds until all cohorts are done that start so."""
    begun = starts(work, slot_counts)
    return max((start + seconds for start, (_, seconds) in zip(begun, work, strict=True)), default=0.0)
