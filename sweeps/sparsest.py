"""Sparsest Models Elude Pruning (arXiv 2407.04075): how few nonzeros does the Cubist Spiral take, and who finds them?

A combinatorial search over masks, first of whole units (`structured`), then of single weights within the structure
that those found (`unstructured`), against nine pruning methods (`pruning`); from random initial weights and from two
that were published. Seeds are not in the paper, whose runs drew everything anew: docs/fidelity.md.

Settings (--set) and the parts that have them. Those of the first line pick among the networks of the grid, all others
take other levels too:

    experiment, part   random, BENCH-95, BENCH-995; structured, unstructured, pruning
    dataset           spiral, the one there is                                all
    width             units of each hidden layer                              all
    repeat            seed of what is drawn                                   all
    learning_rate, schedule   of descent; constant, cosine or multistep       all
    momentum, weight_decay   of descent                                       all
    batch_size, max_epochs   points of a step; epochs                         all
    initializer       of random weights                                       all
    precision         fp32 or bf16                                            all
    initial_weights   random, BENCH-95, BENCH-995, or the path of an .npz     all
    noise, samples    of the spiral; other than 0 and 50000 holds a fifth out all
    depth             hidden layers                                           all
    structure         all, or units a layer such as 3x2x2                     structured
                      units a layer, or found: the smallest of phase 1 that
                      reaches the target                                      unstructured
    target            share of the points that are to be answered rightly     unstructured
    nonzeros_below    only structures with fewer weights and biases; 0: all   structured
    hidden_weights_below, first_masks   published bounds of phase 2; 0: none  unstructured
    method            gmp, lth, rigl, snip, grasp, synflow, iter_snip, force,
                      prospr, or random, a control                            pruning
    nonzeros          weights (no biases) that a method keeps                 pruning
    published         true: as the published code does it                     pruning
    shuffled          true: masks permuted within layers before training, a
                      control; gmp, lth and rigl, which go on, have none      pruning
    distribution      erk or uniform (rigl, random), global (random)          pruning
    rewind_epoch      of lottery tickets                                      pruning
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from pyarrow import compute
from ray.tune import grid_search

from raydensity import grid
from raydensity.ledger import Ledger
from raydensity.pruning import search
from raydensity.published_weights import name_to_digest
from raydensity.spec import MLP, NetworkSpec
from raydensity.spec.sparsity import METHODS, Explicit
from raydensity.study import Study

NINE = [name for name in METHODS if name != "random"]
SCHEDULES = ["cosine", "multistep", "constant"]
TWO = SCHEDULES[:2]
NO_LIMIT = 0
ORDERS = 16  # of the batches, which networks draw from: each costs a cohort the time of some networks

# What no space varies; --set may.
COMMON: dict[str, Any] = {
    "dataset": "spiral",
    "noise": 0.0,
    "samples": 50_000,
    "depth": 3,
    "initializer": "torch_default",
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "batch_size": 128,
    "max_epochs": 50,
    "precision": "fp32",
    "repeat": 0,
}


def space(
    experiment: str,
    part: str,
    *,
    initial_weights: str,
    learning_rates: list[float],
    schedules: list[str] = SCHEDULES,
    **factors: Any,
) -> dict[str, Any]:
    """The factors that all parts have, and the part's own."""
    return {
        **COMMON,
        "experiment": grid_search([experiment]),
        "part": grid_search([part]),
        "initial_weights": grid_search([initial_weights]),
        "learning_rate": grid_search(learning_rates),
        "schedule": grid_search(schedules),
        **factors,
    }


def structured(experiment: str, initial_weights: str, *, nonzeros_below: int = NO_LIMIT, **factors: Any) -> dict:
    """Phase 1: all structures of a width-16 network, or those with fewer nonzeros (weights and biases)."""
    own = {"structure": "all", "width": 16, "nonzeros_below": nonzeros_below, "learning_rates": [0.05, 0.1]}
    return space(experiment, "structured", initial_weights=initial_weights, **{**own, **factors})


def unstructured(
    experiment: str,
    initial_weights: str,
    structure: str,
    *,
    target: float,
    hidden_weights_below: int = NO_LIMIT,
    first_masks: int = NO_LIMIT,
    **factors: Any,
) -> dict:
    """Phase 2: the masks within a structure; `found` is the smallest that reached the target in phase 1.

    `hidden_weights_below` bounds the weights before the output's; `first_masks` is the published code's cut-off: only
    so many masks of the second layer for each count of its weights.
    """
    own = {
        "structure": structure,
        "target": target,
        "width": 16,
        "hidden_weights_below": hidden_weights_below,
        "first_masks": first_masks,
        "learning_rates": [0.05, 0.1],
    }
    return space(experiment, "unstructured", initial_weights=initial_weights, **{**own, **factors})


def pruning(
    experiment: str,
    initial_weights: str,
    *,
    widths: list[int],
    nonzeros: list[int],
    methods: list[str] = NINE,
    repeats: int = 1,
    **factors: Any,
) -> dict:
    """The methods over widths and final weights; a width that has no more weights than are kept is left out."""
    own = {
        "method": grid_search(methods),
        "width": grid_search(widths),
        "nonzeros": grid_search(nonzeros),
        "repeat": grid_search(list(range(repeats))),
        "published": False,
        "shuffled": False,
        "distribution": "erk",
        "rewind_epoch": 0,
        "learning_rates": [0.05, 0.1, 0.2],
    }
    return space(experiment, "pruning", initial_weights=initial_weights, **{**own, **factors})


BENCH_95 = list(range(15, 27))
BENCH_995 = [16, 18, 20, 22, 24, 25, 26, 27, 28, 29, 30, 32, 34, 36]
RANDOM = [*BENCH_95, 30, 33, 37, 40, 44, 50, 53, 55, 57, 60, 65]
ALL_WIDTHS = [3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256]
FROM_BENCH_95 = [
    structured("BENCH-95", "BENCH-95", nonzeros_below=37),
    unstructured("BENCH-95", "BENCH-95", "3x2x2", target=0.95),
    pruning("BENCH-95", "BENCH-95", widths=[3, 16], nonzeros=BENCH_95, repeats=5),
]

SPACES = {
    "quick": [
        # Width 4, whose random weights are larger: at width 16 few networks of a short search train.
        structured("random", "random", width=4, nonzeros_below=38, repeat=grid_search([0, 1]), schedules=TWO),
        unstructured("random", "random", "3x2x2", target=0.95, width=4, schedules=TWO),
        pruning(
            "random",
            "random",
            widths=[4, 16],
            nonzeros=[18, 22, 27],
            methods=["gmp", "snip", "synflow"],
            repeats=3,
            learning_rates=[0.05, 0.1],
            schedules=TWO,
        ),
    ],
    "reduced": [
        *FROM_BENCH_95,
        # What is near the target, as often as the pruners: one training tells luck from nothing.
        structured("BENCH-95", "BENCH-95", nonzeros_below=27, repeat=grid_search([1, 2, 3, 4])),
        unstructured("BENCH-95", "BENCH-95", "3x2x2", target=0.95, repeat=grid_search([1, 2, 3, 4])),
        structured("random", "random", nonzeros_below=41),
        pruning("random", "random", widths=[3, 16, 64], nonzeros=RANDOM, methods=["gmp", "snip", "synflow"]),
    ],
    "paper": [
        *FROM_BENCH_95,
        structured("BENCH-995", "BENCH-995", nonzeros_below=61),
        unstructured(
            "BENCH-995",
            "BENCH-995",
            "6x3x2",
            target=0.995,
            hidden_weights_below=31,
            first_masks=6,
            learning_rates=[0.05],
        ),
        pruning("BENCH-995", "BENCH-995", widths=[6, 16], nonzeros=BENCH_995, repeats=5),
        structured("random", "random"),
        unstructured("random", "random", "3x3x3", target=0.95),
        unstructured(
            "random", "random", "7x3x3", target=0.995, hidden_weights_below=33, first_masks=3, learning_rates=[0.05]
        ),
        pruning("random", "random", widths=ALL_WIDTHS, nonzeros=RANDOM),
    ],
}


def networks(cell: Mapping[str, Any]) -> Iterator[NetworkSpec]:
    """The networks that a cell of the grid means: one for each mask, or for the method."""
    if cell["part"] == "pruning":
        yield from _pruned(cell)
        return
    template = _template(cell, {"name": "explicit", "rows": [[1]] * (cell["depth"] + 1)})
    for rows in _masks(cell):
        own: dict[str, Any] = {"sparsity": Explicit.model_construct(name="explicit", rows=rows)}
        own["order_seed"] = _order(cell, rows)
        if not template.initial_weights:
            own["init_seed"] = _seed(*_drawn_by(cell), rows)
        yield template.model_copy(update=own)


def count(cell: Mapping[str, Any]) -> int:
    """How many networks a cell means, without making them."""
    if cell["part"] == "pruning":
        return int(_has_more_weights(cell))
    if cell["part"] == "structured":
        return sum(1 for _ in _masks(cell))
    budget, first = cell["hidden_weights_below"] or None, cell["first_masks"] or None
    return search.count_unstructured(dims(cell["structure"]), budget=budget, first=first)


def _has_more_weights(cell: Mapping[str, Any]) -> bool:
    """Whether a network has more weights than the method is to keep."""
    width, depth = cell["width"], cell["depth"]
    return cell["nonzeros"] < 2 * width + (depth - 1) * width * width + width


def _masks(cell: Mapping[str, Any]) -> Iterator[search.Rows]:
    if cell["part"] == "unstructured":
        yield from search.unstructured(
            dims(cell["structure"]), budget=cell["hidden_weights_below"] or None, first=cell["first_masks"] or None
        )
        return
    structures = search.structures(cell["width"], cell["depth"])
    for each in structures if cell["structure"] == "all" else [dims(cell["structure"])]:
        rows = search.structured(each)
        if not cell["nonzeros_below"] or search.nonzeros(rows) < cell["nonzeros_below"]:
            yield rows


def resolve(spaces: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """Where phase 2's structure is `found`, the smallest one that reached the target in phase 1.

    Of several with as few nonzeros, the most accurate. ValueError, in one line, where none did yet.
    """
    resolved = []
    for each in spaces:
        levels = grid.levels([each], "structure")
        if FOUND not in levels:
            resolved.append(each)
            continue
        if others := [level for level in levels if level != FOUND]:
            resolved.append({**each, "structure": grid_search(others)})
        for cell in grid.cells({**each, "structure": FOUND, **{name: None for name in SEARCHED_OVER}}):
            varied = {name: each[name] for name in SEARCHED_OVER}
            resolved.append({**each, **cell, **varied, "structure": grid_search([_found(ledger, cell)])})
    return resolved


FOUND = "found"
SEARCHED_OVER = ("learning_rate", "schedule", "repeat")  # a structure that reached the target with any of them did
REGIME = (
    *("initial_weights", "initializer", "dataset", "noise", "samples", "preprocessing", "hidden", "width"),
    *("optimizer", "momentum", "weight_decay", "batch_size", "max_epochs", "precision"),
)


def _found(ledger: Ledger, cell: Mapping[str, Any]) -> str:
    """The smallest whole structure that reached the target in the regime of a cell."""
    target = cell["target"]
    if not 0 < target <= 1:
        raise ValueError(f"--set target: {target:g} is not a share of the points, such as 0.95")
    template = _template({**cell, "learning_rate": 1.0, "schedule": "constant"}, {"name": "explicit", "rows": [[1]]})
    factors = template.factors()
    wanted = {name: factors[name] for name in REGIME} | {"sparsity": "explicit", "status": "finished"}
    columns = ["structure", "validation_accuracy", "nonzeros"]
    reached = []
    for _, table in ledger.cohorts():
        here = compute.greater_equal(table["validation_accuracy"], target)
        for name, value in wanted.items():
            here = compute.and_(here, compute.equal(table[name], value))
        for row in table.select(columns).filter(here).to_pylist():
            whole = search.nonzeros(search.structured(dims(row["structure"])))
            if row["nonzeros"] == whole:
                reached.append((whole, -row["validation_accuracy"], row["structure"]))
    if not reached:
        raise ValueError(
            f"--set structure=found: no structure of width {cell['width']} has reached {target:.1%} from "
            f"{cell['initial_weights']} weights yet; run this study with --set part=structured first"
        )
    return min(reached)[2]


def dims(structure: str) -> tuple[int, ...]:
    """The hidden units of each layer: 3x2x2 -> (3, 2, 2). ValueError, in one line, for anything else."""
    parts = structure.split("x")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(
            f"--set structure: {structure!r} is not units a layer such as 3x2x2 (nor `all` of part=structured, nor "
            "`found` of part=unstructured)"
        )
    return tuple(map(int, parts))


def _pruned(cell: Mapping[str, Any]) -> Iterator[NetworkSpec]:
    if not _has_more_weights(cell):
        return
    method: dict[str, Any] = {"name": cell["method"], "nonzeros": cell["nonzeros"], "published": cell["published"]}
    if cell["method"] not in ("gmp", "lth", "rigl"):
        method["shuffled"] = cell["shuffled"]
    if cell["method"] in ("rigl", "random"):
        method["distribution"] = cell["distribution"]
    if cell["method"] == "lth":
        method["rewind_epoch"] = cell["rewind_epoch"]
    spec = _template(cell, method)
    # Drawn alike for all methods, so that they are compared on the same networks, and anew for all else, as published.
    what = cell["width"], cell["nonzeros"]
    seed = _seed(*_drawn_by(cell), *what)
    update: dict[str, Any] = {"prune_seed": seed, "order_seed": _order(cell, *what)}
    if not spec.initial_weights:
        update["init_seed"] = seed
        if cell["published"] and cell["method"] in ("snip", "grasp"):
            update["initializer"] = "xavier_normal"
    yield spec.model_copy(update=update)


def _drawn_by(cell: Mapping[str, Any]) -> tuple:
    return cell["repeat"], cell["learning_rate"], cell["schedule"]


def _order(cell: Mapping[str, Any], *what: Any) -> int:
    """Which of the orders of the batches a network sees; repeats see different ones."""
    return (_seed(cell["learning_rate"], cell["schedule"], *what) + cell["repeat"]) % ORDERS


def _seed(*drawn_by: Any) -> int:
    return int.from_bytes(hashlib.sha256(repr(drawn_by).encode()).digest()[:4], "little") >> 1


def _template(cell: Mapping[str, Any], sparsity: dict[str, Any]) -> NetworkSpec:
    weights = cell["initial_weights"]
    if cell["dataset"] != "spiral":
        raise ValueError(f"--set dataset: {cell['dataset']!r} is not the data set of this study, spiral")
    return NetworkSpec.model_validate(
        {
            "dataset": {"name": cell["dataset"], "noise": cell["noise"], "samples": cell["samples"]},
            "preprocessing": "standardized",
            "architecture": MLP(width=cell["width"], hidden=(1,) * cell["depth"]),
            # Without effect where the weights are given: then always the same, lest a network has two ids.
            "initializer": cell["initializer"] if weights == "random" else COMMON["initializer"],
            "initial_weights": "" if weights == "random" else name_to_digest(weights),
            "sparsity": sparsity,
            "training": {
                "optimizer": {
                    "name": "sgd",
                    "learning_rate": cell["learning_rate"],
                    "momentum": cell["momentum"],
                    "weight_decay": cell["weight_decay"],
                },
                "batch_size": cell["batch_size"],
                "max_epochs": cell["max_epochs"],
                "stopping": {"name": "last_epoch"},
                "precision": cell["precision"],
                "schedule": {"name": cell["schedule"]},
            },
            "pruning": {"name": "global_magnitude"},
            "measures": (),
            "init_seed": 0,
            "data_seed": 0,
        }
    )


STUDY = Study(
    name="sparsest",
    title="Sparsest models elude pruning (arXiv 2407.04075)",
    spaces=SPACES,
    network=networks,
    count=count,
    selecting=("experiment", "part"),
    resolve=resolve,
    placeholders=(FOUND,),
    track_networks=False,  # a run takes longer than a network
)
