"""What Frivolous Units (AAAI 2021) printed, and what its figures show, as data.

Sources: S004, the text; code, the authors' published notebooks and experiments; figure, digitised from the figures that
these notebooks hold (3 to 5 % on a logarithmic axis; accuracies 0.7 points). Prunability and redundancy are shares of
the units of the network four times as wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pandas as pd

from analysis.frivolous.gain import WIDTHS

# The data sets of the paper by our names; published values stand beside no other.
DATASETS = ("cifar10_file_order", "teacher", "image_folder")
MEASURED_IMAGES = {"mlp": 768}  # that the published code measures units on; of other networks so many or more
FEWEST_IMAGES = 9_856
DECAYING = ("alexnet", "mlp")  # with momentum and SGD
RATE_DECAY = 0.95  # what their learning rates are multiplied by after each epoch
IMAGENET = 1_271_167  # images that ImageNet is trained on here, without those held out; some of its classes have fewer

# Gains, smallest and largest over the curves of a panel (figure: annotated there, two digits are exact).
_BOTH = ("prunability", "redundancy")
_FOUR = (*_BOTH, "non_prunability", "non_redundancy")
GAINS: dict[str, dict[str, tuple[float, float]]] = {
    "fig_3ab": dict(zip(_FOUR, ((3.15, 3.86), (1.79, 2.20), (1.76, 1.87), (1.93, 2.07)), strict=True)),
    "fig_3cd": dict(zip(_BOTH, ((3.06, 4.08), (1.92, 2.37)), strict=True)),
    "fig_4a": dict(zip(_FOUR, ((1.97, 2.69), (2.21, 2.59), (1.86, 2.00), (1.63, 1.77)), strict=True)),
    "fig_4b": dict(zip(_FOUR, ((2.70, 2.93), (2.17, 2.39), (1.83, 1.86), (1.64, 1.78)), strict=True)),
    "fig_4c": dict(zip(_FOUR, ((2.29, 2.81), (2.25, 2.42), (1.85, 1.98), (1.60, 1.71)), strict=True)),
    "fig_4d": dict(zip(_FOUR, ((2.03, 2.14), (2.08, 2.45), (1.76, 2.03), (1.05, 1.87)), strict=True)),
    "uniform_initializers": dict(zip(_BOTH, ((2.36, 2.81), (2.20, 2.43)), strict=True)),
    "conv2": dict(zip(_BOTH, ((2.11, 2.68), (2.08, 3.53)), strict=True)),
    "learning_rate_and_batch": dict(zip(_BOTH, ((2.59, 2.96), (2.37, 2.55)), strict=True)),
    "resnet56_layers": dict(zip(_BOTH, ((2.48, 3.20), (2.39, 2.62)), strict=True)),
    "mlp_10_data": dict(zip(_BOTH, ((2.01, 2.19), (2.12, 2.19)), strict=True)),
    "mlp_10k_data": dict(zip(_BOTH, ((1.92, 2.03), (1.80, 2.65)), strict=True)),
    "mlp_10_optimizers": dict(zip(_BOTH, ((1.99, 2.07), (2.12, 2.20)), strict=True)),
    "mlp_10k_optimizers": dict(zip(_BOTH, ((1.92, 2.02), (1.96, 2.65)), strict=True)),
    "mlp_10_initialization": dict(zip(_BOTH, ((2.01, 2.14), (2.09, 2.26)), strict=True)),
    "mlp_10k_initialization": dict(zip(_BOTH, ((2.03, 2.07), (2.08, 3.23)), strict=True)),
    "inception_v3_layers": dict(zip(_BOTH, ((3.41, 3.90), (1.77, 1.98)), strict=True)),
    "inception_v3_layer_layers": dict(zip(_BOTH, ((1.01, 3.61), (0.99, 1.79)), strict=True)),
}

# Gains in prunability of single curves (code: printed by the notebook).
CURVE_GAINS: dict[tuple[str, str], float] = {
    ("fig_4c", "Glorot"): 2.810,
    ("fig_4c", "He"): 2.291,
    ("fig_4c", "LeCun"): 2.526,
    ("conv2", "Glorot"): 2.684,
    ("conv2", "He"): 2.110,
    ("conv2", "LeCun"): 2.369,
    ("uniform_initializers", "Glorot"): 2.810,
    ("uniform_initializers", "He"): 2.357,
    ("uniform_initializers", "LeCun"): 2.575,
    ("fig_3ab", "ResNet18"): 3.146,
    ("fig_3ab", "Inception-v3"): 3.862,
    ("fig_3ab", "Inception-v3-layer"): 3.609,
    ("resnet18_batches", "largest batch"): 3.146,
    ("resnet18_batches", "batch 4096"): 2.307,
    ("resnet18_batches", "batch 2048"): 2.802,
    ("resnet18_batches", "batch 1024"): 2.929,
}

# Curves over the widths 1/4, 1/2, 1, 2, 4 (figure), by the names that panels give them (`Curve.published`).
PRUNABILITY: dict[str, tuple[float, ...]] = {
    "alexnet": (0.0060, 0.013, 0.038, 0.122, 0.330),
    "alexnet_he": (0.0038, 0.0097, 0.0254, 0.0486, 0.109),
    "alexnet_lecun": (0.0049, 0.0132, 0.0372, 0.0863, 0.200),
    "alexnet_regularised": (0.0064, 0.0164, 0.040, 0.122, 0.330),
    "alexnet_random_labels": (0.0028, 0.006, 0.0135, 0.029, 0.067),
    "resnet56": (0.0045, 0.0114, 0.0358, 0.080, 0.200),
    "resnet56_random_labels": (0.0029, 0.0057, 0.0135, 0.0209, 0.0439),
    "resnet18": (0.0030, 0.0065, 0.0218, 0.0716, 0.25),
    "inception_v3": (0.0049, 0.0172, 0.0730),
    "inception_v3_layer": (0.0022, 0.0065, 0.0338, 0.120, 0.300),
    "mlp_10k_c1": (0.046, 0.098, 0.19, 0.42, 0.77),
    "mlp_10_c1": (0.05, 0.085, 0.2, 0.42, 0.91),
}
REDUNDANCY: dict[str, tuple[float, ...]] = {
    "alexnet": (0.018, 0.042, 0.091, 0.225, 0.55),
    "alexnet_he": (0.037, 0.072, 0.162, 0.382, 0.81),
    "alexnet_lecun": (0.019, 0.043, 0.121, 0.306, 0.68),
    "alexnet_regularised": (0.038, 0.074, 0.16, 0.35, 0.77),
    "resnet56": (0.021, 0.04, 0.11, 0.26, 0.60),
    "inception_v3": (0.025, 0.044, 0.088),
    "inception_v3_layer": (0.018, 0.033, 0.053, 0.094, 0.186),
    "mlp_10_c1": (0.045, 0.107, 0.226, 0.481, 0.92),
    "mlp_10k_c0.01": (0.043, 0.087, 0.178, 0.387, 0.79),
    "mlp_10k_c1": (0.013, 0.040, 0.052, 0.134, 0.45),
}
# Test accuracy, percent (figure). Those that are given once are the same at all widths.
ACCURACY: dict[str, tuple[float, ...] | float] = {
    "alexnet": (72, 75, 77.5, 78.5, 79),
    "alexnet_he": (65.3, 69.1, 70.3, 71.0, 70.3),
    "alexnet_lecun": (71.6, 74.1, 76.6, 76.6, 76.0),
    "alexnet_regularised": (78.5, 83.5, 85.4, 85.4, 86.6),
    "alexnet_random_labels": 10,
    "resnet56": (85.4, 90.4, 92.9, 93.5, 94.7),
    "resnet56_random_labels": 10,
    "resnet18": (49.1, 62.2, 70.3, 74.5, 76.5),
    "inception_v3": (57.2, 70.3, 77),
    "inception_v3_layer": 76,  # the figure: 75 to 77
    "mlp_10_n1000": 94,
    "mlp_10_n10000": 98,
    "mlp_10_n100000": 99,
    "mlp_10k_n1000": 57,
    "mlp_10k_n10000": 67,
    "mlp_10k_n100000": 80,
}

# Figure 2a and 2b (figure): percent of the answers unchanged by percent of the units ablated, at the five widths; one
# network, the best of its repeats.
ABLATION: dict[str, dict[int, tuple[float, ...]]] = {
    "alexnet": {
        17: (67, 70, 80, 84, 88),
        33: (44, 45, 58, 75, 82),
        50: (25, 29, 48, 62, 74),
        67: (17, 16, 28, 33, 44),
        83: (11, 12, 13, 12, 18),
    },
    "alexnet_he": {
        17: (48, 60, 65, 66, 75),
        33: (32, 36, 45, 55, 62),
        50: (16, 22, 25, 38, 38),
        67: (11, 18, 16, 22, 15),
    },
}
# Figure 2c and 2d (figure): mean |correlation| of the units of conv2, by width.
CORRELATION: dict[str, dict[float, float]] = {
    "alexnet": {0.25: 0.045, 1: 0.05, 4: 0.05},
    "alexnet_he": {0.25: 0.095, 1: 0.525, 4: 0.72},
}
# Accuracy on the training set with random labels, percent, at 1/4x (figure); from 1x up it is 99 at least (S004).
TRAIN_ACCURACY: dict[str, tuple[float, ...]] = {"alexnet_random_labels": (78,), "resnet56_random_labels": (67,)}
MEMORISED = 99.0


@cache
def curves() -> pd.DataFrame:
    """Digitised curves: published (its name), width, and published_ prunability, redundancy, accuracy, train_accuracy.

    One frame for all callers.
    """
    named: dict[str, Mapping[str, tuple[float, ...] | float]] = {
        "prunability": PRUNABILITY,
        "redundancy": REDUNDANCY,
        "accuracy": ACCURACY,
        "train_accuracy": TRAIN_ACCURACY,
    }
    columns = {f"published_{measure}": _by_width(table) for measure, table in named.items()}
    frame = pd.DataFrame(columns).rename_axis(["published", "width"])
    return frame.reset_index()


def _by_width(table: Mapping[str, tuple[float, ...] | float]) -> pd.Series:
    cells = {
        (name, width): value
        for name, values in table.items()
        for width, value in zip(WIDTHS, values if isinstance(values, tuple) else (values,) * len(WIDTHS), strict=False)
    }
    return pd.Series(cells, dtype=float)


def is_the_papers(scale: str, dataset: str, n_train: int) -> bool:
    """Whether networks were trained on the paper's own data, as a sweep of another scale than `quick`."""
    return scale != "quick" and dataset in DATASETS and (dataset != "image_folder" or n_train == IMAGENET)


def unlike(networks: pd.DataFrame, scale: str) -> list[str]:
    """In what networks on one data set differ from all of the paper's, in words; nothing: its values may stand beside.

    `networks` has the columns of `Networks.used`. What tells the curves of a panel apart, and what each of them holds
    fixed, are its conditions (`panels.py`).
    """
    dataset, n_train = str(networks["dataset"].iloc[0]), int(networks["n_train"].min())
    found = []
    if not is_the_papers(scale, dataset, n_train):
        found.append(f"{dataset} at scale {scale} is not its data")
    if (networks["precision"] != "fp32").any():
        found.append("it trained in single precision")
    asked = networks["architecture"].map(MEASURED_IMAGES)
    if (networks["measured_images"].ne(asked) & asked.notna()).any():
        found.append(f"it measured units on {asked.max():.0f} images")
    if (networks["measured_images"].between(1, FEWEST_IMAGES - 1) & asked.isna()).any():
        found.append(f"it measured units on {FEWEST_IMAGES:,} images or more")
    decays = networks["architecture"].isin(DECAYING) & networks["optimizer"].eq("sgd")
    if (decays & networks["rate_decay"].ne(RATE_DECAY)).any():
        found.append("its learning rates fell by 5 % after each epoch")
    if networks["long"].any():
        found.append("it trained for fewer epochs")
    return found


def epochs(architecture: str, *, augmentation: bool, random_labels: bool) -> int:
    """The most epochs that the paper trains (code; of networks for ImageNet, where it has no number, the grid's).

    0 for architectures that it has not.
    """
    if architecture == "alexnet":
        return 5000 if random_labels else 1000 if augmentation else 500
    return {"resnet56": 182, "mlp": 50, "resnet18": 90, "inception_v3": 90}.get(architecture, 0)
