"""What a sweep costs beside its training: on 1, 2 and 4 simulated nodes, and with 100,000 networks.

    python benchmarks/scaling.py                     both parts, about 15 minutes on 2 cores
    python benchmarks/scaling.py --part nodes        the same sweep on 1, 2 and 4 nodes, and what dispatch takes
    python benchmarks/scaling.py --part networks     grid, plan, dispatch, ledger and MLflow of 100,000 networks

Everything is what a sweep does but the training: `sweep.run` is given a runner that waits as long as it is told for
each network, and returns records of noise. The nodes are Ray's own, all on this machine (`ray.cluster_utils.Cluster`);
waiting takes no core, so that as many cohorts as there are slots train at a time, however few cores there are.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
from ray import tune
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table

from raydensity import cluster, data, grid, mlflow_store, plan, sweep, tracking
from raydensity.experiment import cohort_id
from raydensity.ledger import Ledger
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import MLP, SGD, LastEpoch, NetworkSpec, Training, content_hash
from raydensity.study import Study

STUDY = "scaling"
WIDTHS = [0.1, 0.2, 0.5, 1.0, 2.0]
EPOCHS, POINTS = 20, 51  # as long as the curves of a record are
OBJECT_STORE = 100 * 2**20
TRACKED = 2000  # networks beyond which a sweep shows cohorts alone in MLflow (raydensity/command.py)


def network(cell: Mapping[str, object]) -> NetworkSpec:
    training = Training(optimizer=SGD(learning_rate=0.1), batch_size=64, max_epochs=EPOCHS, stopping=LastEpoch())
    return NetworkSpec(
        dataset="digits",
        architecture=MLP(width=cell["width"]),
        initializer=cell["initializer"],
        training=training,
        measures=(),
        init_seed=cell["init_seed"],
        data_seed=cell["data_seed"],
    )


def study(networks: int) -> Study:
    """A grid of as many networks, or a few less: five widths, two initialisers, seeds."""
    seeds = networks // (2 * len(WIDTHS))
    data_seeds = min(10, seeds)
    space = {
        "width": tune.grid_search(WIDTHS),
        "initializer": tune.grid_search(["glorot_uniform", "he_uniform"]),
        "data_seed": tune.grid_search(list(range(data_seeds))),
        "init_seed": tune.grid_search(list(range(seeds // data_seeds))),
    }
    return Study(STUDY, "What a sweep costs beside its training", {"paper": [space]}, network)


@dataclass(frozen=True)
class NoTraining:
    """A runner with the signature of `experiment.run_cohort`, which waits for so long a network and returns noise. It
    leaves a file in `log` that says when it began and ended, and in which process."""

    log: Path
    seconds: float

    def __call__(self, specs: Sequence[NetworkSpec], **_: object) -> pa.Table:
        begun = time.monotonic()
        time.sleep(self.seconds * len(specs))
        own = cohort_id(specs)
        found = noise(specs, own)
        (self.log / f"{own}.ran").write_text(f"{os.getpid()} {begun} {time.monotonic()}")
        return found


@dataclass(frozen=True)
class TimedTracker(tracking.Tracker):
    """Leaves a file in `log` that says how long MLflow took for a cohort."""

    log: Path = Path()

    def track(self, path: Path, record: pa.Table) -> None:
        begun = time.monotonic()
        super().track(path, record)
        (self.log / f"{path.stem}.tracked").write_text(str(time.monotonic() - begun))


def noise(specs: Sequence[NetworkSpec], cohort: str) -> pa.Table:
    """A record of networks that trained all their epochs and were pruned, in random numbers."""
    rng = np.random.default_rng(0)
    alike = {
        "status": "finished", "converged": True, "epochs": EPOCHS, "stopped_epoch": EPOCHS, "parameters": 609,
        "weights": 560, "weights_kept": 560, "nonzeros": 609, "table1_count": 560, "validation_size": 360,
        "record_version": RECORD_VERSION, "cohort_id": cohort, "data_digest": "0" * 64, "seconds_training": 0.0,
        "seconds_pruning": 0.0, "seconds_measuring": 0.0, "device": "cpu", "torch_version": "2",
        "git_commit": "0" * 40, "git_dirty": False, "curve_epoch": list(range(1, EPOCHS + 1)),
        "prune_removed": np.linspace(0, 1, POINTS).tolist(), "prune_weights_left": list(range(POINTS))[::-1],
    }  # fmt: skip
    final = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
    curves = {f"curve_{split}_{what}": EPOCHS for split in ("train", "validation") for what in ("loss", "accuracy")}
    curves |= {f"prune_validation_{what}": POINTS for what in ("accuracy", "loss")}
    rows = []
    for spec in specs:
        drawn = {name: rng.random() for name in final} | {name: rng.random(size) for name, size in curves.items()}
        rows.append({"network_id": spec.id, **spec.factors(), **alike, **drawn, "spec": spec.model_dump_json()})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@dataclass(frozen=True)
class Run:
    """A cohort: the process it ran in, when its runner began and ended, and the seconds that MLflow took."""

    process: str
    begun: float
    ended: float
    tracking: float


@dataclass(frozen=True)
class Swept:
    """A sweep that ran: seconds by what was done, its cohorts in the order of their processes, and seconds of a core
    that the driver took while they ran."""

    seconds: dict[str, float]
    runs: list[Run]
    networks: int
    driver_seconds: float


def swept(networks: int, folder: Path, *, address: str | None, wait: float, note: Callable[[str], None]) -> Swept:
    """Grid, plan and sweep of so many networks, without training; `note` is told what is over."""
    seconds, clock = {}, time.perf_counter()

    def done(what: str) -> None:
        nonlocal clock
        seconds[what] = time.perf_counter() - clock
        note(what)
        clock = time.perf_counter()

    asked, log = study(networks), folder / "log"
    log.mkdir()
    ledger = Ledger(folder, asked.name)
    ledger.prepare()
    uri = mlflow_store.database_uri(folder / "mlflow.db")
    tracking.check(uri)  # makes the database
    done("start")
    chosen = grid.expand(asked, asked.spaces["paper"])
    done("grid")
    here = cluster.local_resources()
    with ExitStack() as stack:
        owner = stack.enter_context(ledger.driver())
        nodes = stack.enter_context(cluster.connection(address, resources=here))
        done("Ray")
        tracked = len(chosen) <= TRACKED
        planned = plan.make(
            asked.name, scale="paper", networks=chosen, ledger=ledger, nodes=nodes, gpus_per_cohort=0, tracked=tracked
        )
        planned.table()
        done("plan")
        tracker = tracking.open_sweep(
            uri,
            study=asked.name,
            scale="paper",
            sweep_id=content_hash(sorted(chosen)),
            network_ids=list(chosen),
            levels={},
            networks=tracked,
        )
        done("MLflow")
        busy = time.process_time()
        outcome = sweep.run(
            planned,
            ledger=ledger,
            owner=owner,
            tracker=TimedTracker(**vars(tracker), log=log),
            data_root=data.resolve_root(None),
            console=Console(quiet=True),
            runner=NoTraining(log, wait),
        )
        done("sweep")
        busy = time.process_time() - busy
    assert not outcome.missing, outcome
    runs = []
    for mark in log.glob("*.ran"):
        process, begun, ended = mark.read_text().split()
        runs.append(Run(process, float(begun), float(ended), float(mark.with_suffix(".tracked").read_text())))
    return Swept(seconds, sorted(runs, key=lambda run: (run.process, run.begun)), len(chosen), busy)


# The same sweep on more and more nodes --------------------------------------------------------------------------------


def on_nodes(networks: int, *, wait: float, cpus: int) -> Table:
    """Wall time from the first cohort's begin to the last one's end, and how much of their time slots did not train."""
    table = Table(title=f"{networks:,} networks of {wait:g} s each, on nodes of {cpus} slots")
    columns = (
        "nodes",
        "cohorts",
        "training, s",
        "at best",
        "between cohorts, ms",
        "of it MLflow",
        "dispatch",
        "driver's core",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for nodes in (1, 2, 4):
        own = {"object_store_memory": OBJECT_STORE}
        running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **own})
        try:
            for _ in range(nodes):
                running.add_node(num_cpus=cpus, **own)
            with tempfile.TemporaryDirectory() as folder:
                found = swept(networks, Path(folder), address=running.address, wait=wait, note=lambda what: None)
        finally:
            running.shutdown()
        pairs = [(one, after) for one, after in pairwise(found.runs) if one.process == after.process]
        between = sum(after.begun - one.ended for one, after in pairs)
        tracking_seconds = sum(one.tracking for one, _ in pairs)
        trained = sum(run.ended - run.begun for run in found.runs)
        wall = max(run.ended for run in found.runs) - min(run.begun for run in found.runs)
        table.add_row(
            str(nodes),
            str(len(found.runs)),
            f"{wall:.1f}",
            f"{networks * wait / (nodes * cpus):.1f}",
            f"{1000 * between / len(pairs):.0f}",
            f"{1000 * tracking_seconds / len(pairs):.0f}",
            f"{(between - tracking_seconds) / (between + trained):.1%}",
            f"{found.driver_seconds / found.seconds['sweep']:.0%}",
        )
    return table


# Many networks --------------------------------------------------------------------------------------------------------


def memory(name: str) -> float:
    """MiB that this process has now (VmRSS), or had at its peak (VmHWM)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) / 1024


def many(networks: int) -> Table:
    """Seconds and the driver's memory by what was done, and as the ledger fills."""
    table = Table(title="the driver of a sweep without training")
    for name in ("", "seconds", "MiB then", "MiB at the peak so far"):
        table.add_column(name, justify="right" if name else "left")
    clock, over = time.perf_counter(), threading.Event()
    sampled: list[tuple[int, float, float, float]] = []  # files in the ledger, when, memory then and at the peak

    def row(what: str, seconds: float, now: float, peak: float) -> None:
        table.add_row(what, f"{seconds:.1f}", f"{now:,.0f}", f"{peak:,.0f}")

    def note(what: str) -> None:
        nonlocal clock
        begun, clock = clock, time.perf_counter()
        if what == "sweep":
            for part in (0.25, 0.5, 0.75):
                _, when, *used = next(one for one in sampled if one[0] >= part * sampled[-1][0])
                row(f"sweep, {part:.0%} of the cohorts", when - begun, *used)
        row(what, clock - begun, memory("VmRSS"), memory("VmHWM"))

    def sample(ledger: Path) -> None:
        while not over.wait(0.5):
            files = sum(1 for _ in ledger.glob("*.parquet"))
            sampled.append((files, time.perf_counter(), memory("VmRSS"), memory("VmHWM")))

    with tempfile.TemporaryDirectory() as folder:
        thread = threading.Thread(target=sample, args=(Ledger(Path(folder), STUDY).folder,), daemon=True)
        thread.start()
        try:
            found = swept(networks, Path(folder), address=None, wait=0.0, note=note)
        finally:
            over.set()
            thread.join()
    table.caption = f"{found.networks:,} networks in {len(found.runs):,} cohorts: {sum(found.seconds.values()):.0f} s"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description="What a sweep costs beside its training.")
    parser.add_argument("--part", choices=("nodes", "networks", "both"), default="both")
    parser.add_argument("--networks", type=int, help="of the grid: 4,000 on nodes, and 100,000")
    parser.add_argument("--wait", type=float, default=0.1, help="seconds that a network trains, in the part `nodes`")
    parser.add_argument("--cpus", type=int, default=4, help="slots of a node")
    given = parser.parse_args()
    console = Console(width=120)
    if given.part != "networks":
        console.print(on_nodes(given.networks or 4000, wait=given.wait, cpus=given.cpus))
    if given.part != "nodes":
        console.print(many(given.networks or 100_000))


if __name__ == "__main__":
    main()
