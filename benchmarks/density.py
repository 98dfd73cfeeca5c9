"""How fast the density study's MLPs train and prune: against the plain way, and against what the machine can do.

    python benchmarks/density.py                     both parts, about 15 minutes on 2 cores
    python benchmarks/density.py --part sweep        networks an hour beside benchmarks/plain.py
    python benchmarks/density.py --part peak         share of the machine's sgemm peak, on one core or a GPU

All that is compared runs in this one process tree, in turn; quote the ratios. Data: MNIST, as in the study.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core a worker, as Ray sets it

import torch
from rich.console import Console
from rich.table import Table

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.evaluation import gather
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.magnitude import trajectory
from raydensity.spec import MLP, SGD, LastEpoch, NetworkSpec, Training, content_hash

SHAPE = {"input_shape": (1, 28, 28), "classes": 10}
NETWORKS = {0.1: 24, 1.0: 8, 2.0: 4, 5.0: 2}  # of one cohort, as many as two of them make a sweep of some minutes


def specs(width: float, networks: int, *, epochs: int, precision: str = "fp32") -> list[NetworkSpec]:
    """Networks of the paper's MLP that differ in their seeds."""
    training = Training(
        optimizer=SGD(learning_rate=1e-3), batch_size=32, max_epochs=epochs, stopping=LastEpoch(), precision=precision
    )
    return [
        NetworkSpec(
            dataset="mnist",
            architecture=MLP(width=width),
            initializer="glorot_uniform",
            training=training,
            init_seed=seed,
            data_seed=seed % 5,
        )
        for seed in range(networks)
    ]


# Networks an hour -----------------------------------------------------------------------------------------------------


def sweep_seconds(width: float, networks: int, *, epochs: int, precision: str, cpus: int) -> float:
    """Wall seconds of a sweep, Tune, ledger and MLflow included; Ray runs already and the database is made before."""
    from raydensity import cluster, plan, sweep, tracking
    from raydensity.ledger import Ledger

    chosen = {spec.id: spec for spec in specs(width, networks, epochs=epochs, precision=precision)}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder), "benchmark")
        ledger.prepare()
        here = replace(cluster.local_resources(), cpus=cpus, gpus=0)
        with cluster.connection(None, resources=here) as nodes, ledger.driver() as owner:
            planned = plan.make(
                "benchmark",
                scale="paper",
                networks=chosen,
                ledger=ledger,
                nodes=nodes,
            )
            tracker = tracking.open_sweep(
                f"sqlite:///{folder}/mlflow.db",
                study="benchmark",
                scale="paper",
                sweep_id=content_hash(sorted(chosen)),
                network_ids=list(chosen),
                levels={},
                networks=True,
            )
            started = time.perf_counter()
            outcome = sweep.run(
                planned,
                ledger=ledger,
                owner=owner,
                tracker=tracker,
                data_root=data.resolve_root(None),
                console=Console(quiet=True),
            )
            seconds = time.perf_counter() - started
    assert not outcome.missing, outcome
    return seconds


def compare_with_plain(*, epochs: int, cpus: int) -> Table:
    """Networks an hour of the plain way and of raydensity, each training `epochs` epochs and pruning to nothing."""
    import plain
    import ray

    table = Table(title=f"networks an hour, {epochs} epochs and 51 points of pruning each, {cpus} cores")
    for name in ("width", "plain", "raydensity fp32", "ratio", "raydensity bf16", "ratio"):
        table.add_column(name, justify="right")
    for width in (0.1, 1.0):
        row = [f"{width:g}"]
        ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False)
        with tempfile.TemporaryDirectory() as folder:
            seconds, _ = plain.run(width=width, networks=cpus, epochs=epochs, out=Path(folder), cpus=cpus)
        ray.shutdown()
        base = 3600 * cpus / seconds
        row.append(f"{base:,.0f}")
        for precision in ("fp32", "bf16"):
            networks = 2 * NETWORKS[width]
            ours = 3600 * networks / sweep_seconds(width, networks, epochs=epochs, precision=precision, cpus=cpus)
            row += [f"{ours:,.0f}", f"{ours / base:.1f}"]
        table.add_row(*row)
    return table


# Share of the peak ----------------------------------------------------------------------------------------------------


def seconds_of(step: Callable[[], object], device: torch.device, *, repeats: int) -> float:
    """Median wall seconds of one call, after two that do not count."""
    times = []
    for number in range(repeats + 2):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number > 1:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def peak(device: torch.device) -> float:
    """fp32 arithmetic a second of a large square product."""
    size = 1024 if device.type == "cpu" else 8192
    matrix = torch.randn(size, size, device=device)
    return 2 * size**3 / seconds_of(lambda: matrix @ matrix, device, repeats=20)


def share_of_peak(device: torch.device) -> Table:
    """Arithmetic that training and pruning need, over their time, as a share of the peak measured beside them."""
    table = Table(title=f"share of the sgemm peak, one process on {device.type}")
    for name in ("width", "networks", "peak GFLOP/s", "training", "its products alone", "trajectory"):
        table.add_column(name, justify="right")
    for width, networks in NETWORKS.items():
        best = peak(device)
        shares = [rate / best for rate in rates(width, networks, device)]
        table.add_row(f"{width:g}", str(networks), f"{best / 1e9:,.0f}", *(f"{share:.0%}" for share in shares))
    return table


def rates(width: float, networks: int, device: torch.device) -> tuple[float, float, float]:
    """Arithmetic a second of a step of training, of its products alone, and of a pruning trajectory."""
    own = specs(width, networks, epochs=1)
    dataset = data.load("mnist", device=device)
    cohort = Cohort(own, device=device, **SHAPE)
    optimizer = StackedOptimizer(cohort, own)
    size = own[0].training.batch_size
    orders = torch.stack([torch.randperm(50_000, device=device)[:3200] for _ in own]).view(networks, -1, size)
    number = itertools.count()

    def step() -> None:
        current = next(number)
        images, labels = gather(dataset, orders[:, current % orders.shape[1]], "unit")
        optimizer.train(images, labels, current + 1)

    validation = torch.stack([data.split(dataset, spec.data_seed)[1] for spec in own])
    points = 6  # of the 51, which all cost the same

    def prune() -> None:
        trajectory(cohort, dataset, validation, "unit", step=1 / (points - 1))

    weights = {name: cohort.weights(name)[0].numel() for name in cohort.prunable()}
    # Forward and weight gradient of every layer, input gradient of all but the first.
    needed = 2 * size * networks * (3 * sum(weights.values()) - weights["fc1.weight"])
    training = needed / seconds_of(step, device, repeats=60)
    products = needed / seconds_of(lambda: bare_products(cohort, size), device, repeats=30)
    evaluated = 2 * validation.numel() * sum(weights.values()) * points
    return training, products, evaluated / seconds_of(prune, device, repeats=2)


def bare_products(cohort: Cohort, size: int) -> None:
    """The batched products of one step and nothing else: what is left is memory traffic, not code of ours."""
    rows = cohort.rows
    for name in cohort.prunable():
        weight = cohort.parameters[name].detach().transpose(1, 2)
        x, delta = weight.new_ones(rows, size, weight.shape[1]), weight.new_zeros(rows, size, weight.shape[2])
        torch.bmm(x, weight)
        weight.baddbmm_(x.transpose(1, 2), delta)
        if name != "fc1.weight":
            torch.bmm(delta, weight.transpose(1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the density study's MLPs train and prune.")
    parser.add_argument("--part", choices=("sweep", "peak", "both"), default="both")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of every network in the comparison")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="of the part `peak`")
    given = parser.parse_args()
    console = Console(width=110)
    torch.set_num_threads(1)
    if given.part != "sweep":
        console.print(share_of_peak(torch.device(given.device)))
    if given.part != "peak":
        console.print(compare_with_plain(epochs=given.epochs, cpus=given.cpus))


if __name__ == "__main__":
    main()
