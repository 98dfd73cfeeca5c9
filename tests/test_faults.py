"""What breaks beneath a sweep, broken for real: nothing is lost, and the tables are those of an undisturbed run.

Servers are in test_fault_servers.py, nodes in test_fault_nodes.py; errors and memory of single cohorts in
test_sweep.py.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from processes import family
from real_sweeps import (
    GRID,
    assert_all_tracked,
    assert_the_same,
    assert_the_same_tables,
    finish,
    kill,
    records,
    start,
    wait_for,
    workers,
)
from synthetic import new_store

from raydensity.ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def folder(tmp_path):
    new_store(tmp_path)
    return tmp_path


def test_a_killed_driver_and_then_a_killed_worker_lose_nothing(folder, undisturbed):
    ledger = Ledger(folder / "results", "density")
    first = start(folder)
    wait_for(lambda: len(records(folder)) >= 2)
    kill(first)
    survived = {path.name: path.read_bytes() for path in records(folder)}
    assert ledger.summary().num_rows < 16

    second = start(folder)
    wait_for(lambda: workers(second.pid))
    os.kill(workers(second.pid)[0], signal.SIGKILL)
    assert "16 networks" in finish(second)

    for name, content in survived.items():
        assert (ledger.folder / name).read_bytes() == content
    assert not list(ledger.checkpoints.glob("*"))
    assert_the_same(folder, undisturbed)
    assert_all_tracked(f"sqlite:///{folder}/mlflow.db")

    # once more: nothing is left to do, and Ray does not even start
    assert "16 networks, 16 of them done: nothing to train" in finish(start(folder))


@pytest.mark.parametrize("impatient", [False, True])
def test_interrupted_by_hand_it_says_that_the_same_command_goes_on(folder, undisturbed, impatient):
    """Ctrl-C once, or again and again until it has ended: while Ray stops, and while Python does."""
    process = start(folder)
    wait_for(lambda: records(folder))
    ray = family(process.pid)
    process.send_signal(signal.SIGINT)
    while impatient and process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    output = finish(process, 130)
    assert output.splitlines()[-1] == (
        "interrupted: what is finished is safe, and the same command goes on with the rest"
    )
    assert "Traceback" not in output
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in ray), seconds=30)
    finish(start(folder))
    assert_the_same(folder, undisturbed)
    assert_all_tracked(f"sqlite:///{folder}/mlflow.db")


@contextlib.contextmanager
def full_disk(folder):
    """The ledger's folder on a disk with room for a record or two; yields what makes it larger."""
    ledger = folder / "results" / "ledger"
    ledger.mkdir(parents=True)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", ledger], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small disk cannot be made here: {mount.stderr.strip()}")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", ledger], check=True)
    finally:
        subprocess.run(["umount", "--lazy", ledger], check=True)


def test_a_full_disk_costs_what_did_not_fit_and_says_so(folder, undisturbed):
    with full_disk(folder) as enlarge:
        output = finish(start(folder), 1)
        assert "No space left on device" in output
        assert "networks are missing" in output
        kept = {path.name: path.read_bytes() for path in records(folder)}
        assert 0 < len(kept) < len(records(undisturbed))
        enlarge()
        finish(start(folder))
        for name, content in kept.items():
            assert (records(folder)[0].parent / name).read_bytes() == content
        assert_the_same(folder, undisturbed)
    assert_all_tracked(f"sqlite:///{folder}/mlflow.db")


def test_a_truncated_record_is_trained_again(folder, undisturbed):
    finish(start(folder))
    victim = records(folder)[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    output = finish(start(folder))
    assert f"{victim.name} is damaged" in output
    assert_the_same(folder, undisturbed)
    assert_all_tracked(f"sqlite:///{folder}/mlflow.db")


def test_a_network_that_diverges_leaves_its_neighbours_as_they_are(folder):
    """In one cohort with it; compared with a sweep that lacks it."""
    sane, wild = ([*GRID, "--set", f"learning_rate={rates}"] for rates in ("0.001", "0.001,1e8"))
    alone = folder / "alone"
    alone.mkdir()
    new_store(alone)
    finish(start(alone, sane))
    finish(start(folder, wild))
    expected, found = (
        {
            row["network_id"]: row
            for _, table in Ledger(out / "results", "density").cohorts()
            for row in table.to_pylist()
        }
        for out in (alone, folder)
    )
    lost = {identity for identity, row in found.items() if row["status"] == "diverged"}
    assert (len(expected), len(found), lost) == (16, 32, found.keys() - expected.keys())
    assert {found[identity]["cohort_id"] for identity in lost} & {found[identity]["cohort_id"] for identity in expected}
    for identity, row in expected.items():
        for column, value in row.items():
            if column != "cohort_id" and "seconds" not in column:
                assert found[identity][column] == value, column


def test_a_search_that_is_killed_loses_nothing_and_does_nothing_twice(tmp_path):
    """Phase 2 of the sparsest-models study: many networks a cohort, no checkpoint while one is short."""
    grid = ["--study", "sparsest", "--set", "part=unstructured", "--set", "learning_rate=0.1"]
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        new_store(folder)
    finish(start(undisturbed, grid))

    ledger = Ledger(disturbed / "results", "sparsest")
    first = start(disturbed, grid)
    wait_for(lambda: len(list(ledger.folder.glob("*.parquet"))) >= 2)
    kill(first)
    survived = {path.name: path.read_bytes() for path in ledger.folder.glob("*.parquet")}

    assert "832 networks" in finish(start(disturbed, grid))
    for name, content in survived.items():
        assert (ledger.folder / name).read_bytes() == content
    assert len(survived) < len(list(ledger.folder.glob("*.parquet")))

    def rows(out):
        found = {}
        for _, table in Ledger(out / "results", "sparsest").cohorts():
            for row in table.to_pylist():
                assert row["network_id"] not in found
                found[row["network_id"]] = {
                    name: value for name, value in row.items() if name != "cohort_id" and "seconds" not in name
                }
        return found

    assert len(rows(undisturbed)) == 832
    assert rows(disturbed) == rows(undisturbed)
    assert_the_same_tables(disturbed, undisturbed, "sparsest")
