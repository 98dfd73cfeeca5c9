"""The plain way to run the density study's MLPs, as a researcher would write it in an afternoon.

One Ray Tune trial a network, torchvision's MNIST behind a DataLoader, `torch.nn.utils.prune`, and one MLflow call a
value. benchmarks/density.py times it beside raydensity: it is meant to be a fair opponent.

    python benchmarks/plain.py --width 0.1 --networks 2 --epochs 1
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import ray
import torch
from ray import tune
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, random_split
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from raydensity import data

STEPS = 50  # 2 % of each layer's original weights at a time
VALIDATION_SIZE = 5_000


def mlp(width: float) -> nn.Sequential:
    """LeNet-300-100, scaled, with Glorot uniform kernels and zero biases."""
    sizes = [784, int(300 * width), int(100 * width), 10]
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean loss and accuracy."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    for images, labels in loader:
        logits = model(images)
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
        count += len(labels)
    return loss / count, correct / count


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    """One pass over the training images; the mean batch loss."""
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def prune_to(model: nn.Module, step: int) -> None:
    """Remove the smallest weights of each layer, until `step` of STEPS parts of the original ones are gone."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            count = layer.weight.numel()
            amount = round(count * step / STEPS) - round(count * (step - 1) / STEPS)
            prune.l1_unstructured(layer, "weight", amount=amount)


def trial(config: dict) -> dict:
    """One network: train, prune to nothing, log everything."""
    mlflow.set_tracking_uri(config["tracking_uri"])
    mlflow.set_experiment(experiment_id=config["experiment_id"])
    torch.manual_seed(config["seed"])
    everything = MNIST(config["data"], train=True, transform=ToTensor())
    training, validation = random_split(everything, [len(everything) - VALIDATION_SIZE, VALIDATION_SIZE])
    training_loader = DataLoader(training, batch_size=config["batch_size"], shuffle=True, drop_last=True)
    validation_loader = DataLoader(validation, batch_size=1_000)
    model = mlp(config["width"])
    optimizer = torch.optim.SGD(model.parameters(), lr=config["learning_rate"])
    with mlflow.start_run():
        for name in ("width", "seed", "batch_size", "learning_rate"):
            mlflow.log_param(name, config[name])
        for epoch in range(1, config["epochs"] + 1):
            train_loss = train_epoch(model, training_loader, optimizer)
            loss, accuracy = evaluate(model, validation_loader)
            mlflow.log_metric("train_loss", train_loss, step=epoch)
            mlflow.log_metric("validation_loss", loss, step=epoch)
            mlflow.log_metric("validation_accuracy", accuracy, step=epoch)
        trained = accuracy
        for step in range(STEPS + 1):
            if step:
                prune_to(model, step)
            loss, accuracy = evaluate(model, validation_loader)
            mlflow.log_metric("pruned_validation_loss", loss, step=100 * step // STEPS)
            mlflow.log_metric("pruned_validation_accuracy", accuracy, step=100 * step // STEPS)
    return {"validation_accuracy": trained, "empty_validation_accuracy": accuracy}


def run(
    *,
    width: float,
    networks: int,
    epochs: int,
    out: Path,
    data_root: Path | None = None,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    cpus: int = 2,
) -> tuple[float, list[dict]]:
    """Train and prune `networks` networks on `cpus` cores; wall seconds of the sweep and each network's results.

    Not in the seconds: starting Ray, unpacking MNIST, making the MLflow database. A Ray that runs already is used.
    Raises ValueError if MNIST cannot be had, RuntimeError if a trial fails.
    """
    out = out.absolute()
    data.check("mnist", data_root)
    shutil.copytree(data.resolve_root(data_root) / "MNIST", out / "data" / "MNIST", dirs_exist_ok=True)
    MNIST(out / "data", download=True)  # unpacks the files that lie there
    tracking_uri = f"sqlite:///{out / 'mlflow.db'}"
    mlflow.set_tracking_uri(tracking_uri)
    experiment_id = mlflow.create_experiment("plain", artifact_location=(out / "mlruns").as_uri())
    if not ray.is_initialized():
        ray.init(num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1")
    space = {
        "seed": tune.grid_search(list(range(networks))),
        "width": width,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": str(out / "data"),
        "tracking_uri": tracking_uri,
        "experiment_id": experiment_id,
    }
    run_config = tune.RunConfig(name="plain", storage_path=str(out / "ray"), verbose=0)
    started = time.perf_counter()
    results = tune.Tuner(trial, param_space=space, run_config=run_config).fit()
    seconds = time.perf_counter() - started
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} of {networks} trials failed: {results.errors[0]}")
    return seconds, [dict(results[index].metrics or {}) for index in range(networks)]


def main() -> None:
    parser = argparse.ArgumentParser(description="The plain way to run the density study's MLPs, timed.")
    parser.add_argument("--width", type=float, default=0.1)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--data-root", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, results = run(
            width=given.width,
            networks=given.networks,
            epochs=given.epochs,
            cpus=given.cpus,
            data_root=given.data_root,
            out=Path(folder),
        )
        ray.shutdown()
    for result in results:
        print({name: value for name, value in result.items() if name.endswith("accuracy")})
    print(f"{seconds:.1f} s, {3600 * given.networks / seconds:.0f} networks an hour")


if __name__ == "__main__":
    main()
