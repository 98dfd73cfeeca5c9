"""Frivolous Units (arXiv 1912.04783): how do prunable and redundant units grow as networks get wider?

A group a question: initialisers, regularisers, optimisers, activations, learning rate and batch size, random labels,
ResNet56, networks for ImageNet, and MLPs that learn the labels of a random teacher. Widths are factors of the paper's
1x sizes; the published code sets no seeds, here a `repeat` draws weights, batches and ablations.

Settings (--set). Those of the first three lines pick among the networks of the grid, all others take other levels too:

    group             one of the questions, see SPACES; mlp_best: other repeats at the best learning rate of mlp
    dataset, architecture   cifar10_file_order, teacher, image_folder; alexnet, resnet56, mlp, resnet18, inception_v3,
                      inception_v3_layer
    inputs, samples   of the teacher's data
    width             factor on the paper's sizes
    repeat            seed of weights, batches and ablations
    regulariser       none, augmentation, dropout, weight_decay or all (AlexNet); none or resnet (ResNet56); none or
                      weight_decay (ImageNet); with random labels none
    activation        relu, leaky_relu, elu, selu, sigmoid, tanh (AlexNet)
    initializer       glorot_normal, he_normal, lecun_normal, and their _uniform; small_normal (MLPs)
    initializer_factor   multiplies the initial weights
    optimizer         momentum, sgd, adam, adagrad, proximal_adagrad, rmsprop, ftrl
    learning_rate     adagrad, proximal_adagrad, rmsprop and ftrl take a tenth of it (AlexNet, MLPs), adam takes it as
                      it is; 0: the paper's own, of ResNet18 by its batch (MLPs have none, but adam's)
    batch_size        images of a step
    rate_and_batch    multiplies learning rate and batch size
    rate_decay        of momentum and sgd (AlexNet, MLPs): the learning rate is multiplied by it after each epoch
    max_epochs        at most so many; AlexNet twice as many with augmentation
    precision         fp32 or bf16
    random_labels     true: labels that are drawn at random
    teacher           seed that the teacher is drawn by
    measured_images   test images that units are measured on; 0: all
    pruning           none, or magnitude: with the trajectory of the density study
    interpretability  true: units also by the images that excite them most (minutes a network; not of MLPs)
    narrowing         true: networks also without their prunable, or redundant, units: what they still answer; of
                      Inception-v3 there is no narrow network
    by_position       true: prunability also with single positions of feature maps as units
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

from ray.tune import grid_search

from raydensity import data, grid
from raydensity.data import image_folder
from raydensity.ledger import Ledger
from raydensity.spec import ImageFolder, NetworkSpec
from raydensity.spec.architectures import RESNET18_LARGEST_BATCH, RESNET18_RATE, RESNET18_RATE_IMAGES
from raydensity.spec.datasets import EVEN_TEACHER
from raydensity.study import Study

WIDTHS = [0.25, 0.5, 1.0, 2.0, 4.0]
NORMAL = ["glorot_normal", "he_normal", "lecun_normal"]
UNIFORM = ["glorot_uniform", "he_uniform", "lecun_uniform"]
OPTIMIZERS = ["momentum", "sgd", "adam", "adagrad", "proximal_adagrad", "rmsprop", "ftrl"]
LEARNING_RATES = [1.0, 1e-1, 1e-2, 1e-3, 1e-4]
REGULARISERS = {
    "alexnet": ("none", "augmentation", "dropout", "weight_decay", "all"),
    "resnet56": ("none", "resnet"),
    "resnet18": ("none", "weight_decay"),
    "inception_v3": ("none", "weight_decay"),
    "inception_v3_layer": ("none", "weight_decay"),
}
# Of the TensorFlow models that the paper's networks for ImageNet are (docs/fidelity.md).
WEIGHT_DECAY = {"alexnet": 1e-3, "resnet56": 2e-4, "resnet18": 1e-4, "inception_v3": 4e-5, "inception_v3_layer": 4e-5}
# Of the TensorFlow model, as are its learning rate and how that falls, by 0.94 in two epochs (docs/fidelity.md). With
# an epsilon near 0 a step would move each weight by the learning rate itself, 0.045.
INCEPTION_EPSILON = 1.0
INCEPTION_DECAY = 0.94**0.5
INIT_FACTORS = [1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7]
# From 1e4 on all are nearly one experiment (docs/fidelity.md), and with 10,000 inputs a factor takes eight minutes.
FEWER_INIT_FACTORS = [factor for factor in INIT_FACTORS if factor not in (1e5, 1e7)]
# Of AlexNet and the MLPs Adagrad's family and RMSProp take a tenth of the learning rate (specification b.4).
TENTH = ("adagrad", "proximal_adagrad", "rmsprop", "ftrl")
# Learning rates of the regimes: 0 in the grid. ResNet18's is for so many images of a batch; MLPs try several.
OWN_RATE = 0.0
RATES = {
    "alexnet": 1e-2,
    "resnet56": 0.1,
    "resnet18": RESNET18_RATE,
    "inception_v3": 0.045,
    "inception_v3_layer": 0.045,
}
ADAM_RATE = 1e-3

# What no space varies; --set may.
COMMON: dict[str, Any] = {
    "random_labels": False,
    "regulariser": "none",
    "activation": "relu",
    "initializer": "glorot_normal",
    "initializer_factor": 1.0,
    "optimizer": "momentum",
    "rate_and_batch": 1.0,
    "learning_rate": OWN_RATE,
    "rate_decay": 0.95,
    "batch_size": 128,
    "max_epochs": 500,
    "precision": "fp32",
    "pruning": "none",
    "by_position": False,
    "interpretability": False,
    "narrowing": False,
    "measured_images": 0,
    "repeat": grid_search([0, 1, 2]),
}


def space(group: str, architecture: str, dataset: str, *, widths: list[float] = WIDTHS, **factors: Any) -> dict:
    """The factors that all groups have, and the group's own."""
    return {
        **COMMON,
        "group": grid_search([group]),
        "dataset": grid_search([dataset]),
        "architecture": grid_search([architecture]),
        "width": grid_search(widths),
        **factors,
    }


def alexnet(group: str, **factors: Any) -> dict:
    """AlexNet on CIFAR-10; `rate_and_batch` multiplies learning rate and batch size."""
    return space(group, "alexnet", "cifar10_file_order", **factors)


def resnet56(**factors: Any) -> dict:
    """ResNet56 on CIFAR-10, with augmentation and weight decay, 182 epochs."""
    own = {"initializer": "lecun_normal", "max_epochs": 182, "regulariser": "resnet"}
    return space("resnet56", "resnet56", "cifar10_file_order", **{**own, **factors})


def mlp(*, inputs: int, samples: int, optimizer: str = "momentum", group: str = "mlp", **factors: Any) -> dict:
    """An MLP of one hidden layer on a teacher's labels, over learning rates and scales of the initial weights."""
    own = {
        "inputs": grid_search([inputs]),
        "samples": grid_search([samples]),
        "teacher": EVEN_TEACHER.get(inputs, 0),
        "optimizer": grid_search([optimizer]),
        "initializer": "small_normal",
        "initializer_factor": grid_search(INIT_FACTORS),
        "learning_rate": ADAM_RATE if optimizer == "adam" else grid_search(LEARNING_RATES),
        "max_epochs": 50,
        "measured_images": 768,  # of 1,000: the published code's whole batches less one (docs/fidelity.md)
    }
    return space(group, "mlp", "teacher", **{**own, **factors})


def mlps(inputs: int, **factors: Any) -> list[dict]:
    """The MLPs of one number of inputs: four optimisers at 1,000 samples."""
    return [
        mlp(inputs=inputs, samples=1000, optimizer=optimizer, **factors)
        for optimizer in ("momentum", "sgd", "adam", "rmsprop")
    ]


def imagenet(architecture: str, *, widths: list[float], **factors: Any) -> dict:
    """A network for ImageNet, or the part of it in the folder `imagenet` under the data root; one network a width."""
    own = {"initializer": "lecun_normal", "batch_size": 256, "max_epochs": 90, "repeat": 0}
    own |= {"interpretability": True, "regulariser": "weight_decay"}
    return space("imagenet", architecture, "image_folder", widths=widths, **{**own, **factors})


def resnet18() -> list[dict]:
    """ResNet18 with the largest batch that fitted the paper's machine at each width, and with three fixed ones."""
    largest = [imagenet("resnet18", widths=[width], batch_size=size) for width, size in RESNET18_LARGEST_BATCH.items()]
    return largest + [imagenet("resnet18", widths=WIDTHS, batch_size=size) for size in (4096, 2048, 1024)]


SPACES = {
    "quick": [
        mlp(
            inputs=10,
            samples=1000,
            widths=WIDTHS[:3],
            initializer_factor=grid_search([1.0, 1e2, 1e3]),
            learning_rate=grid_search([1.0, 1e-1, 1e-2]),
            narrowing=True,
        ),
    ],
    "reduced": [
        *mlps(10),
        *(mlp(inputs=10, samples=samples) for samples in (10_000, 100_000)),
        *mlps(10_000, initializer_factor=grid_search(FEWER_INIT_FACTORS), repeat=0),
        # A second repeat at the learning rate that was best in the first; Adam's is not searched.
        *(
            mlp(
                inputs=10_000,
                samples=1000,
                optimizer=name,
                group="mlp_best",
                initializer_factor=grid_search(FEWER_INIT_FACTORS),
                learning_rate=1.0,
                repeat=1,
            )
            for name in ("momentum", "sgd", "rmsprop")
        ),
        mlp(
            inputs=10_000,
            samples=1000,
            optimizer="adam",
            initializer_factor=grid_search(FEWER_INIT_FACTORS),
            repeat=1,
        ),
        alexnet(
            "initialisers",
            widths=WIDTHS[:2],
            initializer=grid_search(NORMAL),
            max_epochs=15,
            interpretability=True,
            repeat=0,
        ),
    ],
    "paper": [
        alexnet("initialisers", initializer=grid_search([*NORMAL, *UNIFORM])),
        alexnet("random_labels", initializer=grid_search([*NORMAL, *UNIFORM]), random_labels=True, max_epochs=5000),
        alexnet("regularisers", regulariser=grid_search(["augmentation", "dropout", "weight_decay", "all"])),
        alexnet("optimisers", optimizer=grid_search(OPTIMIZERS)),
        alexnet("activations", activation=grid_search(["relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh"])),
        alexnet(
            "rate_and_batch",
            rate_and_batch=grid_search([0.25, 4.0]),
            regulariser=grid_search(list(REGULARISERS["alexnet"])),
        ),
        alexnet("rate_and_batch", rate_and_batch=grid_search([0.25, 4.0]), random_labels=True, max_epochs=5000),
        resnet56(rate_and_batch=grid_search([1.0, 0.25, 4.0])),
        resnet56(random_labels=True, regulariser="none"),
        *mlps(10),
        *(mlp(inputs=10, samples=samples) for samples in (10_000, 100_000)),
        *mlps(10_000),
        *(mlp(inputs=10_000, samples=samples) for samples in (10_000, 100_000)),
        *resnet18(),
        imagenet("inception_v3", widths=WIDTHS[:3], optimizer="rmsprop"),
        imagenet("inception_v3_layer", widths=WIDTHS, optimizer="rmsprop"),
    ],
}


def network(cell: Mapping[str, Any]) -> NetworkSpec:
    """The network that a cell of the grid means."""
    kind, random_labels = cell["architecture"], cell["random_labels"]
    regulariser = cell["regulariser"]
    if regulariser not in (known := REGULARISERS.get(kind, ("none",))):
        raise ValueError(f"--set regulariser: {regulariser!r} is none of those of {kind}: {', '.join(known)}")
    if cell["optimizer"] not in OPTIMIZERS:
        raise ValueError(f"--set optimizer: {cell['optimizer']!r} is none of {', '.join(OPTIMIZERS)}")
    if random_labels and regulariser != "none":
        raise ValueError("random labels are learned without any regulariser: --set regulariser=none")
    if kind == "mlp" and cell["by_position"]:
        raise ValueError("--set by_position: an mlp has no feature maps, each of its units is one position")
    augmented = regulariser in ("augmentation", "all", "resnet")
    decay = WEIGHT_DECAY[kind] if regulariser in ("weight_decay", "all", "resnet") else 0.0
    # Augmentation doubles AlexNet's epochs (specification b.4); ResNet56's 182 have it already.
    epochs = cell["max_epochs"] * (2 if augmented and kind == "alexnet" else 1)
    return NetworkSpec.model_validate(
        {
            "dataset": _dataset(cell),
            "preprocessing": _PREPROCESSING[kind],
            "augmentation": augmented,
            "random_labels": random_labels,
            "architecture": _architecture(cell),
            "initializer": cell["initializer"],
            "initializer_factor": cell["initializer_factor"],
            "training": {
                "optimizer": {**_optimizer(cell), "weight_decay": decay},
                "batch_size": round(cell["batch_size"] * cell["rate_and_batch"]),
                "max_epochs": epochs,
                "stopping": _stopping(cell),
                "precision": cell["precision"],
                "schedule": _schedule(cell, epochs),
                "decayed": {"alexnet": "hidden_dense", "resnet18": "all_but_norms"}.get(kind, "all"),
            },
            "pruning": {"name": cell["pruning"]},
            "measures": (
                "prunability",
                *(("prunability_by_position",) if cell["by_position"] else ()),
                "redundancy",
                "correlation",
                *(("interpretability",) if cell["interpretability"] else ()),
                *(("narrowing",) if cell["narrowing"] else ()),
            ),
            "measured_images": cell["measured_images"],
            "init_seed": cell["repeat"],
            "data_seed": 0,
            "order_seed": cell["repeat"],
            "prune_seed": cell["repeat"],
        }
    )


_PREPROCESSING = {
    "mlp": "unit",
    "alexnet": "crop_28",
    "resnet56": "per_image",
    "resnet18": "standardized",
    "inception_v3": "standardized",
    "inception_v3_layer": "standardized",
}


def _dataset(cell: Mapping[str, Any]) -> str | dict[str, Any] | ImageFolder:
    if cell["dataset"] == "teacher":
        return {"name": "teacher", "inputs": cell["inputs"], "samples": cell["samples"], "seed": cell["teacher"]}
    if cell["dataset"] == "image_folder":
        size = 224 if cell["architecture"] == "resnet18" else 299
        return image_folder.examine("imagenet", size=size, root=data.resolve_root(None))
    return cell["dataset"]


def _architecture(cell: Mapping[str, Any]) -> dict[str, Any]:
    kind = cell["architecture"]
    if kind == "mlp":
        return {"name": "mlp", "width": cell["width"], "hidden": (128,)}
    if kind == "alexnet":
        dropout = 0.5 if cell["regulariser"] in ("dropout", "all") else 0.0
        return {"name": "alexnet", "width": cell["width"], "activation": cell["activation"], "dropout": dropout}
    if kind == "inception_v3_layer":
        return {"name": "inception_v3", "width": cell["width"], "varied": "layer"}
    return {"name": kind, "width": cell["width"]}


def _optimizer(cell: Mapping[str, Any]) -> dict[str, Any]:
    kind, name = cell["architecture"], cell["optimizer"]
    rate = _learning_rate(cell) * cell["rate_and_batch"]
    if name == "momentum":
        return {"name": "sgd", "learning_rate": rate, "momentum": 0.9}
    own = {"initial_accumulator": 0.1} if name == "adagrad" else {}
    if name == "rmsprop" and kind.startswith("inception"):
        own = {"epsilon": INCEPTION_EPSILON}
    return {"name": name, "learning_rate": rate, **own}


def _learning_rate(cell: Mapping[str, Any]) -> float:
    kind, name, rate = cell["architecture"], cell["optimizer"], cell["learning_rate"]
    if rate == OWN_RATE:
        if name == "adam":
            return ADAM_RATE
        if kind not in RATES:
            raise ValueError(f"--set learning_rate: the paper tried several for an {kind}, none is its own (0)")
        rate = RATES[kind]
        if kind == "resnet18":
            rate = rate * cell["batch_size"] / RESNET18_RATE_IMAGES
    return rate / 10 if name in TENTH and kind in ("alexnet", "mlp") else rate


def _stopping(cell: Mapping[str, Any]) -> dict[str, Any]:
    if cell["architecture"] not in ("alexnet", "mlp"):
        return {"name": "last_epoch"}  # TensorFlow's own loops, which look at no validation images
    split = "train" if cell["random_labels"] else "validation"
    if cell["architecture"] == "mlp":
        return {"name": "best_accuracy", "split": split}
    return {"name": "best_accuracy", "split": split, "patience": 25 if cell["random_labels"] else 50}


def _schedule(cell: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    kind = cell["architecture"]
    # The published code lets the rate fall for plain descent alone.
    if kind in ("alexnet", "mlp") and cell["optimizer"] in ("momentum", "sgd") and cell["rate_decay"] != 1:
        return {"name": "exponential", "factor": cell["rate_decay"]}
    if kind == "resnet56":
        return {"name": "multistep", "milestones": (91, 136), "factor": 0.1}
    if kind == "resnet18":
        return {"name": "multistep", "milestones": (30, 60, 80), "factor": 0.1, "warm_up": 5}
    if kind.startswith("inception"):
        return {"name": "exponential", "factor": INCEPTION_DECAY}
    return {"name": "constant"}


# Best learning rates --------------------------------------------------------------------------------------------------


def resolve(spaces: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """The networks of the group `mlp_best`, at the learning rate that was best in the group `mlp`.

    That is the rate with the best mean validation accuracy, chosen for each width, optimiser, scale of the initial
    weights and teacher, as the paper does. Where no repeat is finished with all its rates these networks are left out:
    once one is, the grid has them.
    """
    if not any("mlp_best" in grid.levels([each], "group") for each in spaces):
        return spaces
    searches = [each for each in spaces if "mlp" in grid.levels([each], "group")]
    rates = {float(rate) for rate in grid.levels(searches, "learning_rate") or LEARNING_RATES}
    accuracies, resolved = _accuracies(ledger), []
    for each in spaces:
        if "mlp_best" not in grid.levels([each], "group"):
            resolved.append(each)
            continue
        for cell in grid.cells({**each, "repeat": 0}):
            searched = accuracies[_search(network(cell))]
            tenth = 10 if cell["optimizer"] in TENTH else 1
            best = _best({rate: searched[round(rate / tenth, 12)] for rate in rates})
            if best is not None:
                resolved.append({**each, **cell, "learning_rate": best, "repeat": each["repeat"]})
    if not resolved:
        raise ValueError("--set group=mlp_best: the group mlp is not finished yet, which its learning rates are of")
    return resolved


def _best(accuracies: Mapping[float, Mapping[int, float]]) -> float | None:
    """The rate with the best mean accuracy over the repeats that all rates have, the largest of equals.

    None where there is no such repeat.
    """
    common = set.intersection(*(set(each) for each in accuracies.values()))
    if not common:
        return None
    return max((statistics.fmean(each[repeat] for repeat in common), rate) for rate, each in accuracies.items())[1]


def _accuracies(ledger: Ledger) -> dict[Hashable, dict[float, dict[int, float]]]:
    """Validation accuracies of the MLPs by search, learning rate and repeat; 0 of those that diverged."""
    found: dict[Hashable, dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for _, table in ledger.cohorts():
        for row in table.select(["spec", "dataset", "validation_accuracy", "status"]).to_pylist():
            if row["dataset"] == "teacher":
                spec = NetworkSpec.model_validate_json(row["spec"])
                reached = row["validation_accuracy"] if row["status"] == "finished" else 0.0
                found[_search(spec)][round(spec.training.optimizer.learning_rate, 12)][spec.init_seed] = reached
    return found


def _search(spec: NetworkSpec) -> Hashable:
    """What networks have in common that differ in learning rate and repeat alone."""
    return spec.cohort_key, spec.training.schedule, spec.initializer, spec.initializer_factor


STUDY = Study(
    name="frivolous",
    title="Frivolous units: wider networks are not really that wide (arXiv 1912.04783)",
    spaces=SPACES,
    network=network,
    selecting=("group", "dataset", "architecture", "inputs", "samples"),
    resolve=resolve,
)
