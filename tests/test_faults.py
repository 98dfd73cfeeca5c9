"""What breaks beneath a sweep, broken for real: nothing is lost, and the tables are those of an undisturbed run.

Killed drivers and workers are in test_run_all.py, errors and memory of single cohorts in test_sweep.py.
"""

import contextlib
import subprocess

import pytest
from real_sweeps import assert_all_tracked, assert_the_same, finish, records, start
from synthetic import new_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    new_store(folder)
    finish(start(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    new_store(tmp_path)
    return tmp_path


def ended(process, code):
    """What a process printed that ends with this code."""
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output
    return output


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
        output = ended(start(folder), 1)
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
