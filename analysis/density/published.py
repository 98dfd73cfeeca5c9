"""What the density paper printed, as data. Percentages stay percentages, as in the tables."""

from __future__ import annotations

import pandas as pd

# Published values stand only beside runs of the same kind: (dataset, architecture, optimizer).
MLP = ("mnist", "mlp", "sgd")
CONV_ADAM = ("cifar10", "conv2", "adam")
CONV_ADAGRAD = ("cifar10", "conv2", "adagrad")
RESNET = ("cifar10", "resnet", "sgd")
MODEL_TYPE = ["dataset", "architecture", "optimizer"]

# Table 1: "parameters between the first layer and output layer", by width.
TABLE_1: dict[tuple[str, str], dict[float, int]] = {
    ("mnist", "mlp"): {0.1: 23_920, 0.5: 125_600, 1: 266_200, 2: 592_400, 5: 1_931_000},
    ("cifar10", "conv2"): {0.1: 536_963, 0.5: 11_388_288, 1: 43_780_864, 2: 171_578_880},
    ("cifar10", "resnet"): {0.1: 27_762, 0.5: 221_586, 1: 443_122, 2: 886_194},
}

# Table 2, percent, by width: null-hypothesis mean and deviation, observed mean and deviation.
# The null deviation of the MLP at 0.5x, 0.8, is as printed and cannot be right: 43.3 +- 4.6 at 1x, scaled and capped at
# 100 as in section 4.2, deviates by about 8.
TABLE_2: dict[tuple[str, str, str], dict[float, tuple[float, float, float, float]]] = {
    MLP: {
        0.1: (100, 0, 70.6, 3.6),
        0.5: (91.0, 0.8, 50.7, 4.8),
        1: (43.3, 4.6, 43.3, 4.6),
        2: (19.5, 2.1, 39.0, 5.7),
        5: (6.0, 0.6, 32.2, 5.6),
    },
    CONV_ADAM: {
        0.1: (100, 0, 77.8, 3.6),
        0.5: (100, 0, 54.0, 5.9),
        1: (43.0, 5.3, 43.0, 5.3),
        2: (11.0, 1.3, 36.4, 3.9),
    },
    CONV_ADAGRAD: {
        0.1: (100, 0, 55.8, 6.7),
        0.5: (96.7, 6.7, 32.1, 5.5),
        1: (29.3, 5.8, 29.3, 5.8),
        2: (7.5, 1.5, 29.5, 6.9),
    },
    RESNET: {
        0.1: (100, 0, 55.0, 4.7),
        0.5: (98.6, 2.8, 53.1, 4.4),
        1: (53.1, 4.4, 53.1, 4.4),
        2: (26.4, 2.3, 54.4, 6.0),
    },
}

# Tables 3 and 4, percent: overlap of the smallest 40 % before and after training, by width and layer.
TABLES_3_AND_4: dict[tuple[str, str, str], tuple[tuple[str, ...], dict[float, tuple[float, ...]]]] = {
    MLP: (
        ("fc1", "fc2", "proj"),
        {
            0.1: (25.5, 22.1, 34.1),
            0.5: (10.8, 12.1, 19.3),
            1: (7.2, 9.3, 16.7),
            2: (4.9, 7.1, 15.9),
            5: (3.1, 4.6, 15.9),
        },
    ),
    CONV_ADAM: (
        ("conv1", "conv2", "fc1", "fc2", "proj"),
        {
            0.1: (59.2, 58.3, 47.1, 18.4, 28.5),
            0.5: (58.6, 59.3, 48.3, 19.5, 28.8),
            1: (58.7, 59.6, 45.0, 21.8, 29.3),
            2: (58.9, 58.8, 40.1, 24.7, 33.4),
        },
    ),
}


# How the paper trained (section 3.1), as columns of the record. What it does not say (batch size,
# preprocessing, precision) is the default of ours; MLPs train to a loss, however long that takes.
_COMMON = {
    "preprocessing": "unit",
    "batch_size": 32,
    "unshared": False,
    "constant_filters": False,
    "initial_accumulator": 0.0,
    "stopping": "validation_minimum",
    "stopping_split": "validation",
    "stopping_loss": 0.0,
    "precision": "fp32",
}
REGIME: dict[tuple[str, str, str], dict[str, object]] = {
    MLP: {
        **_COMMON,
        "learning_rate": 1e-3,
        "stopping": "loss_target",
        "stopping_split": "train",
        "stopping_loss": 0.2,
    },
    CONV_ADAM: {**_COMMON, "learning_rate": 2e-4, "max_epochs": 100},
    CONV_ADAGRAD: {**_COMMON, "learning_rate": 1e-1, "initial_accumulator": 0.1, "max_epochs": 25},
    RESNET: {**_COMMON, "learning_rate": 1e-2, "max_epochs": 90},
}
SEEDS = {"init_seed": 10, "data_seed": 5}
INITIALIZERS = {MLP: 2, CONV_ADAM: 2, CONV_ADAGRAD: 2, RESNET: 1}


def parameters() -> pd.DataFrame:
    """Table 1: dataset, architecture, width, published."""
    rows = [(*key, width, count) for key, cells in TABLE_1.items() for width, count in cells.items()]
    return pd.DataFrame(rows, columns=["dataset", "architecture", "width", "published"])


def effective_density() -> pd.DataFrame:
    """Table 2: model type, width, published_null_mean, published_null_std, published_mean, published_std."""
    rows = [(*key, width, *cell) for key, cells in TABLE_2.items() for width, cell in cells.items()]
    values = ["published_null_mean", "published_null_std", "published_mean", "published_std"]
    return pd.DataFrame(rows, columns=[*MODEL_TYPE, "width", *values])


def overlap() -> pd.DataFrame:
    """Tables 3 and 4: model type, width, layer, published."""
    rows = [
        (*key, width, layer, value)
        for key, (layers, cells) in TABLES_3_AND_4.items()
        for width, values in cells.items()
        for layer, value in zip(layers, values, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*MODEL_TYPE, "width", "layer", "published"])


def unlike_the_paper(kind: tuple[str, str, str], group: pd.DataFrame) -> list[str]:
    """Where the networks of a model type in Table 2 differ from how the paper made its own, as phrases."""
    found = []
    widths = [f"{width:g}×" for width in TABLE_2[kind] if not (group["width"] == width).any()]
    if widths:
        found.append(f"without width {', '.join(widths)}")
    for factor, number in {**SEEDS, "initializer": INITIALIZERS[kind]}.items():
        if (count := group[factor].nunique()) < number:
            found.append(f"{count} of {number} {factor.replace('_', ' ')}s")
    for setting, wanted in REGIME[kind].items():
        levels = sorted(set(group[setting]) - {wanted})
        if levels:
            found.append(f"{setting.replace('_', ' ')} {', '.join(map(str, levels))} (the paper's: {wanted})")
    return found


def is_short(kind: tuple[str, str, str], group: pd.DataFrame) -> bool:
    """Whether some networks of a model type trained fewer epochs than the paper's: they cannot speak on its claims."""
    epochs = REGIME.get(kind, {}).get("max_epochs", 0)
    return bool((group["max_epochs"] < epochs).any())
