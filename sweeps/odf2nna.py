"""Optimizing Dense Feed-Forward Neural Networks (arXiv 2312.10560): units whose output hardly varies are removed, and
the network trains a little more. How far does that go without loss, and what do other ways of pruning?

Each general model, with as many parameters as training rows, is trained once, and compressed by every rule; sparse
networks of the same size start anew. The paper's tables could not be had: all that it is compared with is run here. A
`repeat` draws rows to train, validate and test on, weights, batches and random units.

Settings (--set). The group picks among the networks of the grid, all others take other levels too:

    group             original; odf2nna; rivals: other units or weights that go after training; from_start: snip, lth,
                      rigl and random masks, with as many weights and epochs in all; scratch: networks of the sizes
                      that odf2nna found, from random weights, as long in all; trained_on: originals that lose nothing
                      and train as long; chosen: the smallest without loss, exported
    dataset           iris, wine, breast_cancer, diabetes (scikit-learn's); adult, abalone, california, wisconsin,
                      boston (UCI's files in the folder `uci` under the data root); digits, mnist; or a CSV or Parquet
                      file under the data root, such as houses.csv
    target, task      of such files: the column to be answered; classification or regression
    dropped           of such files: columns that are left out, as id+name
    categorical       of such files: columns of numbers that are categories, as zip+year
    method            how units or weights are ranked; raydensity/spec/compression.py lists them
    criterion, level  what goes: units whose score is at most `level` (absolute), at most that share of the layer's
                      largest (relative), or that share of the units (share)
    compensation      for units that go: mean (their mean output), literal (their biases) or none
    refinement        share of the epochs that a compressed network trains again
    scored_on         validation or training: the rows by which units are judged
    empty_layer       keep_one: a layer keeps its best unit; refuse: a network that would lose a layer is given up
    chosen            found: the smallest without loss, or with little; or what goes, as share:0.5, or share:0.5:none
                      with another compensation than mean
    repeat            seed of the split into rows, weights, batches and random units
    initializer       of the weights, such as he_uniform, glorot_uniform
    learning_rate     of Adam
    precision         fp32 or bf16
    layers            hidden layers of the general model
    size              parameters of the general model for each training row
    max_epochs, batch_size   0: by the number of rows
    units             of scratch: hidden units, as 17-9; found: those of odf2nna
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.tune import grid_search

from raydensity import data, grid
from raydensity.data import table
from raydensity.ledger import Ledger
from raydensity.measures.loss_of_compression import TOLERANCE, smallest_without_loss
from raydensity.models.mlp import hidden_for
from raydensity.spec import AnyDataset, NetworkSpec
from raydensity.spec.compression import (
    COMPENSATIONS,
    CRITERIA,
    UNIT_MERGES,
    UNIT_SCORES,
    WEIGHT_SCORES,
    refinement_epochs,
    weights_left,
)
from raydensity.study import Study

TABLES: dict[str, dict[str, Any]] = {
    "iris": {"source": "scikit-learn/iris", "target": "target", "task": "classification"},
    "wine": {"source": "scikit-learn/wine", "target": "target", "task": "classification"},
    "breast_cancer": {"source": "scikit-learn/breast_cancer", "target": "target", "task": "classification"},
    "diabetes": {"source": "scikit-learn/diabetes", "target": "target", "task": "regression"},
    "wisconsin": {
        "source": "uci/breast-cancer-wisconsin.data",
        "target": "11",
        "task": "classification",
        "dropped": ("1",),  # the patient
    },
    "adult": {
        "source": "uci/adult-train.csv",
        "test_source": "uci/adult-test.csv",
        "target": "15",
        "task": "classification",
    },
    "abalone": {"source": "uci/abalone.csv", "target": "9", "task": "regression"},
    "boston": {"source": "uci/boston-housing.data", "target": "14", "task": "regression"},
    "california": {"source": "uci/california-housing.csv", "target": "median_house_value", "task": "regression"},
}
IMAGES = ("digits", "mnist")


class Regime(NamedTuple):
    """How long a data set is trained on, and in batches of how many rows."""

    max_epochs: int
    batch_size: int


# By the number of training rows, up to which each is for: some thousands of steps, in which most networks converge, and
# epochs enough to tell refinements of 5, 10 and 15 % apart.
REGIMES = {
    300: Regime(1_000, 16),
    1_000: Regime(400, 16),
    2_000: Regime(200, 32),
    10_000: Regime(100, 32),
    20_000: Regime(80, 128),
    40_000: Regime(20, 128),
    10**9: Regime(10, 128),  # MNIST, which at 20 took half of the whole study
}

SHARES = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9]
ABSOLUTE = [0.01, 0.05, 0.1, 0.2, 0.5, 0.9]  # the specification's c.3
RELATIVE = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7]
REFINEMENTS = [0.05, 0.1, 0.15, 0.3]
PAPERS = 0.15  # refinement
RIVALS = [method for method in (*UNIT_SCORES, *UNIT_MERGES, *WEIGHT_SCORES) if method != "output_deviation"]
# Random masks are no rival, but what the others that leave single weights are compared with: the same from scratch.
FROM_START = ["random", "snip", "lth", "rigl"]
CYCLES = 3  # of lottery tickets, which share the epochs
UPDATES = 20  # of RigL's mask, while it changes
FOUND = "found"

REFINED: dict[str, Any] = {"refinement": PAPERS, "scored_on": "validation", "empty_layer": "keep_one"}
NOTHING_GOES: dict[str, Any] = {"criterion": "share", "level": 0.0, "compensation": "mean"}
COMMON: dict[str, Any] = {
    "target": "",
    "task": "classification",
    "dropped": "",
    "categorical": "",
    "layers": 2,
    "size": 1.0,
    "initializer": "he_uniform",
    "learning_rate": 1e-3,
    "batch_size": 0,
    "max_epochs": 0,
    "precision": "fp32",
}


def space(group: str, datasets: list[str], repeats: int, **factors: Any) -> dict[str, Any]:
    """The factors that all groups have, and the group's own."""
    common = {**COMMON, "dataset": grid_search(datasets), "repeat": grid_search(list(range(repeats)))}
    return {"group": grid_search([group]), **common, **factors}


def compressed(group: str, datasets: list[str], repeats: int, **factors: Any) -> dict[str, Any]:
    """Networks that are compressed after training."""
    rule = {
        "method": grid_search(["output_deviation"]),
        "criterion": "share",
        "level": grid_search(SHARES),
        "compensation": "mean",
        **REFINED,
    }
    return space(group, datasets, repeats, **{**rule, **factors})


def trained_on(datasets: list[str], repeats: int) -> dict[str, Any]:
    """Originals that train on as long as a refinement, with all units: what the refinement alone brings.

    They have no factors of a rule, whose settings are for networks that lose something.
    """
    return space("trained_on", datasets, repeats, **REFINED)


def chosen(datasets: list[str], repeats: int) -> dict[str, Any]:
    """The smallest networks without loss, or with little, to be exported."""
    return space("chosen", datasets, repeats, chosen=FOUND, **REFINED)


def spaces(datasets: list[str], repeats: int) -> list[dict[str, Any]]:
    """Everything that a comparison on some data sets takes."""
    several = [share for share in REFINEMENTS if share != PAPERS]
    return [
        space("original", datasets, repeats),
        compressed("odf2nna", datasets, repeats, compensation=grid_search(["mean", "literal", "none"])),
        compressed("odf2nna", datasets, repeats, refinement=grid_search(several)),
        compressed("odf2nna", datasets, repeats, criterion="absolute", level=grid_search(ABSOLUTE)),
        compressed("odf2nna", datasets, repeats, criterion="relative", level=grid_search(RELATIVE)),
        trained_on(datasets, repeats),
        compressed("rivals", datasets, repeats, method=grid_search(RIVALS)),
        space(
            "from_start",
            datasets,
            repeats,
            method=grid_search(FROM_START),
            level=grid_search(SHARES),
            refinement=PAPERS,
        ),
        space("scratch", datasets, repeats, units=FOUND, refinement=PAPERS),
        chosen(datasets, repeats),
    ]


QUICK = ["iris", "wine", "diabetes"]
QUICK_RIVALS = ["random_units", "incoming_l2", "principal_components", "magnitude_global"]
REDUCED = [
    *("iris", "wine", "breast_cancer", "wisconsin", "diabetes", "digits"),
    *("abalone", "california", "adult", "mnist"),
]

SPACES = {
    "quick": [
        space("original", QUICK, 2),
        compressed("odf2nna", QUICK, 2, level=grid_search([0.5, 0.7, 0.9])),
        trained_on(QUICK, 2),
        compressed("rivals", QUICK, 2, method=grid_search(QUICK_RIVALS), level=grid_search([0.5, 0.7, 0.9])),
        space("scratch", QUICK, 2, units=FOUND, refinement=PAPERS),
        chosen(QUICK, 2),
    ],
    "reduced": spaces(REDUCED, 5),
    "paper": spaces([*REDUCED, "boston"], 10),
}


def network(cell: Mapping[str, Any]) -> NetworkSpec:
    """The network that a cell of the grid means."""
    dataset = _dataset(cell)
    known = data.describe(dataset)
    regime = next(regime for rows, regime in REGIMES.items() if known.fitted_size <= rows)
    epochs = cell["max_epochs"] or regime.max_epochs
    batch_size = cell["batch_size"] or min(regime.batch_size, known.fitted_size)
    inputs = math.prod(known.input_shape)
    hidden = hidden_for(cell["size"] * known.fitted_size, inputs=inputs, outputs=known.logits, layers=cell["layers"])
    if max(hidden) == 1:
        raise ValueError(
            f"--set size: {cell['size']:g} parameters for each training row are one unit a layer of {known.name} "
            f"({known.fitted_size:,} rows, {inputs:,} inputs), and none can go: set a larger size"
        )
    rule: dict[str, Any] = {}
    measures: tuple[str, ...] = ()
    if cell["group"] in ("odf2nna", "rivals"):
        rule = {"compression": _compression(cell)}
    elif cell["group"] in ("trained_on", "chosen"):
        own = _chosen(cell["chosen"]) if cell["group"] == "chosen" else NOTHING_GOES
        rule = {"compression": {"method": "output_deviation", **own, **{key: cell[key] for key in REFINED}}}
        measures = ("export",) if cell["group"] == "chosen" else ()
    elif cell["group"] != "original":
        # As many epochs in all as a network that is compressed.
        total = epochs + refinement_epochs(cell["refinement"], epochs)
        steps = known.fitted_size // batch_size
        epochs, sparsity = _from_random_weights(cell, total, steps, (inputs, *hidden, known.logits))
        rule = {"sparsity": sparsity}
    return NetworkSpec.model_validate(
        {
            "dataset": dataset,
            "architecture": {"name": "mlp", "width": 1.0, "hidden": hidden},
            "initializer": cell["initializer"],
            "training": {
                "optimizer": {"name": "adam", "learning_rate": cell["learning_rate"]},
                "batch_size": batch_size,
                "max_epochs": epochs,
                "stopping": {"name": "validation_minimum"},
                "precision": cell["precision"],
            },
            **rule,
            "pruning": {"name": "none"},
            "measures": measures,
            "init_seed": cell["repeat"],
            "data_seed": cell["repeat"],
            "order_seed": cell["repeat"],
            "prune_seed": cell["repeat"],
        }
    )


def _dataset(cell: Mapping[str, Any]) -> AnyDataset:
    name = cell["dataset"]
    if name in IMAGES:
        return name
    root = data.resolve_root(None)
    if name in TABLES:
        return table.examine(title=name, root=root, **TABLES[name])
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix.lower() not in ("csv", "tsv", "txt", "data", "parquet"):
        known = ", ".join([*TABLES, *IMAGES])
        raise ValueError(f"--set dataset: {name!r} is neither a CSV or Parquet file nor one of {known}")
    if not cell["target"]:
        raise ValueError(f"--set target: which column of {name} is to be answered? Such as --set target=price")
    if cell["task"] not in ("classification", "regression"):
        raise ValueError(f"--set task: {cell['task']!r} is neither classification nor regression")
    dropped, categorical = (tuple(filter(None, cell[key].split("+"))) for key in ("dropped", "categorical"))
    return table.examine(
        name,
        title=f"{stem}: {cell['target']}",  # of files and targets many
        target=cell["target"],
        task=cell["task"],
        dropped=dropped,
        categorical=categorical,
        root=root,
    )


def _compression(cell: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell removes. ValueError for settings that are for another group."""
    method, criterion = cell["method"], cell["criterion"]
    if method in FROM_START:
        raise ValueError(f"--set method: {method!r} starts from random weights{_choose_group(method)}")
    if criterion in CRITERIA and criterion != "share" and method in RIVALS:
        if cell["group"] == "odf2nna":
            raise ValueError(
                f"--set method: {method!r} knows a share alone, no {criterion} level{_choose_group(method)}"
            )
        raise ValueError(f"--set criterion: {criterion!r} is for output_deviation{_choose_group('output_deviation')}")
    own = {"compensation": "none"} if method not in UNIT_SCORES else {}  # the others have their own
    return {key: cell[key] for key in ("method", "criterion", "level", "compensation", *REFINED)} | own


def _choose_group(method: str) -> str:
    """How to choose the group of networks that a method makes, as the end of a message; nothing for unknown methods."""
    if method in FROM_START:
        return "; choose its group, as --scale reduced --set group=from_start"
    group = {"output_deviation": "odf2nna", **dict.fromkeys(RIVALS, "rivals")}.get(method)
    return f"; choose its group, as --set group={group}" if group else ""


def _chosen(rule: str) -> dict[str, Any]:
    """The parts of a rule such as share:0.5 or share:0.5:none. ValueError for another form."""
    criterion, *others = str(rule).split(":")
    if len(others) not in (1, 2):
        raise ValueError(f"--set chosen: {rule!r} is not like share:0.5, or share:0.5:none")
    return {"criterion": criterion, **dict(zip(("level", "compensation"), others, strict=False))}


def _from_random_weights(
    cell: Mapping[str, Any], epochs: int, steps: int, sizes: tuple[int, ...]
) -> tuple[int, dict[str, Any]]:
    """Epochs of one training and the sparsity of a network that starts from random weights.

    `sizes` are those of the general model's layers, inputs and outputs included, `steps` those of an epoch.
    """
    if cell["group"] == "scratch":
        try:
            return epochs, {"name": "units", "kept": tuple(int(units) for units in str(cell["units"]).split("-"))}
        except ValueError:
            raise ValueError(f"--set units: {cell['units']!r} is not like 17-9") from None
    nonzeros = sum(weights_left(sizes, cell["level"]))
    method = cell["method"]
    if method not in FROM_START:
        raise ValueError(f"--set method: {method!r} is none of {', '.join(FROM_START)}{_choose_group(method)}")
    if method == "lth":
        return max(1, epochs // CYCLES), {"name": "lth", "nonzeros": nonzeros, "cycles": CYCLES}
    if method == "rigl":
        changing = 0.75 * epochs * steps
        return epochs, {"name": "rigl", "nonzeros": nonzeros, "interval": max(1, int(changing / UPDATES))}
    return epochs, {"name": method, "nonzeros": nonzeros}


# What depends on results ----------------------------------------------------------------------------------------------


Row = Mapping[str, Any]


class Finished(NamedTuple):
    """Rows of the ledger: an original, and the smaller networks that ODF2NNA made of it."""

    original: Row
    smaller: list[Row]


def resolve(given: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """The sizes that odf2nna found, for `scratch`, and the smallest network without loss, for `chosen`.

    Of each data set and repeat whose networks of odf2nna are finished; the others are left out, until they are, and so
    are those of which no network is good enough to be chosen. ValueError where nothing is left.
    """
    found: list[dict[str, Any]] = []
    with_loss: list[Row] = []
    results: dict[str, list[Row]] | None = None
    for each in given:
        factor = {"scratch": "units", "chosen": "chosen"}.get(str(grid.levels([each], "group")[0]))
        if factor is None or grid.levels([each], factor) != [FOUND]:
            found.append(each)
            continue
        results = _results(ledger) if results is None else results
        for cell in grid.cells(each):
            finished = _finished(cell, results)
            if finished is None:
                continue
            levels = _sizes(finished) if factor == "units" else _smallest(finished)
            if levels:
                found.append({**cell, "group": grid_search([cell["group"]]), factor: grid_search(levels)})
            else:
                with_loss.append(cell)
    if found:
        return found
    if with_loss:
        raise ValueError(
            "--set group: none of ODF2NNA's networks is without loss on validation rows, or within "
            f"{TOLERANCE:g} point of accuracy or percent of the squared error, in {_repeats(with_loss)}: none to export"
        )
    raise ValueError("--set group: what these networks are depends on those of the group odf2nna, which are not there")


def _repeats(cells: list[Row]) -> str:
    """Such as repeats 0, 2 of iris; repeats 1 of wine."""
    by_dataset: dict[str, dict[str, None]] = defaultdict(dict)
    for cell in cells:
        by_dataset[cell["dataset"]][str(cell["repeat"])] = None
    return "; ".join(f"repeats {', '.join(repeats)} of {name}" for name, repeats in by_dataset.items())


def _finished(cell: Row, results: Mapping[str, list[Row]]) -> Finished | None:
    """What is finished of a cell's original, units scored on the same rows; None without any smaller network."""
    rows = results.get(network({**cell, "group": "original"}).id, [])
    before = [row for row in rows if not row["compression"]]
    smaller = [
        row
        for row in rows
        if row["compression"] == "output_deviation"
        and row["refinement"] == cell["refinement"]
        and row["scored_on"] == cell.get("scored_on", row["scored_on"])  # sizes are taken of all
        and row["units_left"]
        and row["parameters_after"] < row["parameters"]  # not those that trained on with all units
    ]
    return Finished(before[0], smaller) if before and smaller else None


def _sizes(finished: Finished) -> list[str]:
    """Hidden units of the smaller networks, such as 17-9, each once."""
    return list(dict.fromkeys("-".join(map(str, row["units_left"])) for row in finished.smaller))


def _smallest(finished: Finished) -> list[str]:
    """The rule of the smallest network without loss, or with little where none is without, as `chosen` has it; empty
    where all lose more.

    Of those whose units are compensated for by their mean, or where there are none, in the next way that there is.
    """
    ways = [row["compensation"] for row in finished.smaller]
    usual = min(ways, key=COMPENSATIONS.index)
    own = [row for row, way in zip(finished.smaller, ways, strict=True) if way == usual]
    for tolerance in (0.0, TOLERANCE):
        best = smallest_without_loss(own, finished.original, tolerance=tolerance)
        if best is not None:
            rule = f"{best['criterion']}:{best['level']!r}"  # all digits: others might be another network
            return [rule if usual == "mean" else f"{rule}:{usual}"]
    return []


def _results(ledger: Ledger) -> dict[str, list[Row]]:
    """Originals, and networks of odf2nna, by the id of the original."""
    columns = ["network_id", "original_id", "compression", "criterion", "level", "compensation", "refinement"]
    columns += [
        "scored_on",
        "status",
        "units_left",
        "parameters",
        "parameters_after",
        "task",
        "validation_accuracy",
        "validation_loss",
    ]
    found: dict[str, list[Row]] = defaultdict(list)
    for _, record in ledger.cohorts(columns):
        for row in record.to_pylist():
            if row["compression"] in ("", "output_deviation") and row["status"] == "finished":
                found[row["original_id"] or row["network_id"]].append(row)
    return found


STUDY = Study(
    name="odf2nna",
    title="Optimizing dense feed-forward neural networks: units that hardly vary (arXiv 2312.10560)",
    spaces=SPACES,
    network=network,
    selecting=("group",),
    resolve=resolve,
    placeholders=(FOUND,),
)
