"""The command, run as a user runs it: one grid of sixteen networks, and what tests do to its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from mlflow import MlflowClient
from processes import command_line, family

from raydensity.ledger import Ledger

ROOT = Path(__file__).parents[1]

GRID = ["--study", "density", "--set", "architecture=mlp", "--set", "width=1,5", "--set", "stopping=last_epoch"]
GRID += ["--set", "max_epochs=30"]


def start(folder, grid=GRID, *, uri=None, options=(), environment=None):
    """The command in a folder, tracked there or at the URI."""
    command = [sys.executable, ROOT / "sweeps" / "run_all.py", *grid, "--out", folder / "results", *options]
    command += ["--tracking-uri", uri or f"sqlite:///{folder}/mlflow.db"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell has what runs in its background ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process, code=0, *, seconds=600):
    """What a process printed that ends with this code."""
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == code, output
    return output


def kill(process):
    """At once, as a machine's power failure does; what it has printed is gone."""
    process.kill()
    process.wait()
    process.stdout.close()


def workers(driver):
    """Processes below the driver in which a cohort trains."""
    return [process for process in family(driver) if command_line(process).startswith("ray::ImplicitFunc")]


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def records(folder):
    """The files of the ledger."""
    return sorted((folder / "results" / "ledger" / "density").glob("*.parquet"))


def assert_the_same(disturbed, undisturbed):
    """Every network is in the ledger once, and the tables of the reports are the same to the byte."""
    found, expected = (
        Counter(n for _, table in Ledger(out / "results", "density").cohorts(["network_id"]) for n in ids(table))
        for out in (disturbed, undisturbed)
    )
    assert found == expected
    assert set(found.values()) == {1}
    assert_the_same_tables(disturbed, undisturbed, "density")


def assert_the_same_tables(disturbed, undisturbed, study):
    tables = sorted((undisturbed / "results" / "report" / study / "tables").glob("*.csv"))
    assert tables
    for table in tables:
        assert (disturbed / table.relative_to(undisturbed)).read_text() == table.read_text()


def ids(table):
    return table["network_id"].to_pylist()


def assert_all_tracked(uri, count=16):
    """MLflow has every network once, and nothing that is unfinished."""
    client = MlflowClient(uri)
    [experiment] = [e for e in client.search_experiments() if e.name == "density"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    shown = [run.data.tags["raydensity.network_id"] for run in runs if "raydensity.network_id" in run.data.tags]
    assert len(shown) == len(set(shown)) == count
