"""What the networks of a grid take: counted (cost_model.py), then as the ledger has measured it.

Shapes: N networks, in the order of the grid, K kinds of them, F finished ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from raydensity import cost_model
from raydensity.cost_model import Need
from raydensity.ledger import SECONDS
from raydensity.rooms import room_of
from raydensity.spec import NetworkSpec
from raydensity.spec.sparsity import Explicit, Method, Units

SEEDS = ("init_seed", "data_seed", "order_seed", "prune_seed")
# What networks of one cohort_key may differ in; training, which they may in part, counts as a whole.
FREE = {*SEEDS, "initializer", "initial_weights", "sparsity", "compression"}
SHARED = [name for name in NetworkSpec.model_fields if name not in FREE]

Size = int | tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Kinds:
    """Networks that take the same are of one kind; those of one `cohort_key`, which may train together, of one group.

    `of` [N] has the kind of each network, `specs` [K] the first network of each kind, `group` [K] the kind's group.
    """

    of: NDArray[np.int64]
    specs: list[NetworkSpec]
    group: NDArray[np.int64]


def cohort_keys(specs: Collection[NetworkSpec]) -> Iterator[str]:
    """The `cohort_key` of each, one after the other.

    It takes 20 µs. Networks that have the same objects for their parts, as those have that are copies of a template,
    are asked once.
    """
    known: dict[tuple, str] = {}
    for spec in specs:
        fields, sparsity = spec.__dict__, spec.sparsity
        parts = [id(fields[name]) for name in SHARED] + [spec.data_seed if spec.has_own_data else None]
        if sparsity is not None:
            free = ("nonzeros", "rows", "kept")
            parts += [id(value) for name, value in sparsity.__dict__.items() if name not in free]
        key = (type(sparsity), *parts)
        if key not in known:
            known[key] = spec.cohort_key
        yield known[key]


def kinds(specs: Sequence[NetworkSpec]) -> Kinds:
    """The kinds of all networks: some thousands where there are half a million, and then nothing is done for each."""
    numbers: dict[tuple[str, Size], int] = {}
    keys = zip(cohort_keys(specs), map(size, specs), strict=True)
    of = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(specs))
    groups: dict[str, int] = {}
    group = [groups.setdefault(key, len(groups)) for key, _ in numbers]
    _, first = np.unique(of, return_index=True)
    return Kinds(of, [specs[index] for index in first], np.array(group, dtype=np.int64))


def size(spec: NetworkSpec) -> Size:
    """Of what may differ in a cohort, that which costs time and may not fit: (units, weights) by layer, or weights; of
    networks that are compressed or narrow epochs of a refinement and units of their room."""
    sparsity = spec.sparsity
    if isinstance(sparsity, Explicit):
        return tuple([(len(layer), sum(map(int.bit_count, layer))) for layer in sparsity.rows])
    if spec.compression is not None or isinstance(sparsity, Units):
        return ((spec.refinement_epochs, 0), *((units, 0) for units in room_of(spec) or ()))
    return sparsity.nonzeros if isinstance(sparsity, Method) else 0


def needs(known: Kinds, finished: pa.Table, position: NDArray[np.int64], *, device: str) -> list[Need]:
    """What a network of each kind [K] needs on "cpu" or "gpu".

    As measured where the ledger has networks of the kind's group, else scaled as its architecture was. `finished` is
    the ledger's summary [F], `position` [F] where in the grid each of its networks stands, -1 for those of other grids.
    ValueError if a network cannot be built.
    """
    counted = [cost_model.need(spec, device=device) for spec in known.specs]
    frame = finished.select(["cohort_id", "device", *SECONDS]).to_pandas()
    frame["size"] = frame.groupby("cohort_id")["cohort_id"].transform("size")
    here = (position >= 0) & ((frame["device"] == "cpu") == (device == "cpu")).to_numpy()
    frame, kind = frame[here], known.of[position[here]]
    own, shared, smallest = (
        np.array([getattr(need, name) for need in counted])[kind] for name in ("seconds", "shared_seconds", "smallest")
    )
    # A network's measured seconds hold its part of what its cohort shared: so must those to compare with.
    expected = (shared + np.maximum(frame["size"], smallest) * own) / frame["size"]
    both = pd.DataFrame({"measured": frame[SECONDS].sum(axis=1), "expected": expected}).groupby(known.group[kind]).sum()
    ratio = both["measured"] / both["expected"]
    architecture = pd.Series([spec.architecture.name for spec in known.specs]).groupby(known.group).first()
    likely = architecture.map(ratio.groupby(architecture).median())
    factor = ratio.reindex(architecture.index).fillna(likely).fillna(1.0)
    return [need.scaled(factor[group].item()) for need, group in zip(counted, known.group, strict=True)]
