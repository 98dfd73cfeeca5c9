"""Sweeps on a real Ray, with one logical GPU: placement, failures, and nothing lost or done twice."""

import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from io import StringIO
from pathlib import Path

import networks
import processes
import pyarrow as pa
import pytest
import ray
import synthetic
import torch
from mlflow import MlflowClient
from rich.console import Console

from raydensity import cluster, cost_model, data, plan, record, sweep, tracking
from raydensity.experiment import cohort_id, run_cohort
from raydensity.ledger import Ledger
from raydensity.placement import Node, Slots
from raydensity.provenance import DIGEST, Code
from raydensity.spec import MLP, LastEpoch, MagnitudePruning, content_hash

RESOURCES = Node(cpus=4, gpus=1)


pytestmark = pytest.mark.timeout(600)  # every worker imports torch and MLflow, which a busy machine does slowly


@pytest.fixture(scope="module", autouse=True)
def running_ray():
    with cluster.connection(None, resources=RESOURCES):
        yield


class Sweep:
    """A ledger, a tracking store and what a driver does with them."""

    def __init__(self, folder, *, uri=None, shared=""):
        self.folder = folder
        self.ledger = Ledger(folder, "density", shared=shared)
        self.ledger.prepare()
        self.ledger.meet()
        self.uri = uri or synthetic.new_store(folder)
        self.printed = StringIO()

    def plan(self, specs, **options):
        return plan.make(
            "density",
            scale="quick",
            networks={spec.id: spec for spec in specs},
            ledger=self.ledger,
            nodes=[RESOURCES],
            **options,
        )

    def plan_of(self, *cohorts, gpus=None):
        """A plan with exactly these cohorts."""
        gpus = gpus or [0] * len(cohorts)
        found = {spec.id: spec for cohort in cohorts for spec in cohort}
        parts = [plan.Cohort(tuple(cohort), 1.0, gpu) for cohort, gpu in zip(cohorts, gpus, strict=True)]
        return plan.Plan("density", "quick", found, frozenset(), parts, [Slots(2, 0, 2**30), Slots(4, 0.25, 2**30)], 0)

    def tracker(self, planned):
        return tracking.open_sweep(
            self.uri,
            study="density",
            scale="quick",
            sweep_id=content_hash(sorted(planned.networks)),
            network_ids=list(planned.networks),
            levels={},
            networks=True,
        )

    def run(self, planned, *, runner=run_cohort, tracker=None):
        with self.ledger.driver() as owner:
            return sweep.run(
                planned,
                ledger=self.ledger,
                owner=owner,
                tracker=tracker or self.tracker(planned),
                data_root=data.resolve_root(None),
                console=Console(file=self.printed, width=200),
                runner=runner,
            )

    def finished(self):
        """How often each network stands in the ledger."""
        return Counter(network for _, table in self.ledger.cohorts() for network in table["network_id"].to_pylist())

    def shown(self):
        """How often each network is a finished run in MLflow."""
        client = MlflowClient(self.uri)
        [experiment] = [e for e in client.search_experiments() if e.name == "density"]
        found = client.search_runs([experiment.experiment_id], "tags.`raydensity.kind` = 'network'")
        assert {run.info.status for run in found} <= {"FINISHED"}
        return Counter(run.data.tags["raydensity.network_id"] for run in found)


def once(specs):
    return Counter(spec.id for spec in specs)


def mlps(count, width=0.1, **options):
    return [networks.network(MLP(width=width), init_seed=seed, **options) for seed in range(count)]


def standin(specs, log, act=lambda specs: None):
    """A runner that trains nothing: it notes with which width and in which process it ran, acts, and returns a record.

    It carries the rows of `specs` along, for a worker does not find the modules of the tests.
    """
    rows = {spec.id: synthetic.network(spec) for spec in specs}

    def run(specs, **_):
        (log / f"{specs[0].architecture.width:.1f}-{os.getpid()}-{time.monotonic_ns()}").touch()
        act(specs)
        own = [{**rows[spec.id], "cohort_id": cohort_id(specs)} for spec in specs]
        return pa.Table.from_pylist(own, schema=record.SCHEMA)

    return run


def attempts(log):
    """The processes in which cohorts ran, by their width."""
    found = defaultdict(list)
    for mark in log.iterdir():
        width, process, _ = mark.name.split("-")
        found[float(width)].append(process)
    return found


def test_a_sweep_of_real_networks(tmp_path):
    mine = Sweep(tmp_path)
    specs = mlps(4) + [networks.network("conv2", "adam", init_seed=seed, epochs=1) for seed in range(2)]
    planned = mine.plan(specs, gpus_per_cohort=0)
    assert mine.run(planned) == sweep.Outcome(0, {}, mine.ledger.summary())
    assert mine.finished() == mine.shown() == once(specs)
    assert "warning" not in mine.printed.getvalue()

    assert sweep.summary_table(planned, mine.ledger.summary()).row_count == 2

    # the same again has nothing to do; of a new level the new networks are to be run alone
    assert mine.plan(specs).cohorts == []
    more = mine.plan(specs + mlps(2, width=0.2), gpus_per_cohort=0)
    assert {spec.architecture.width for cohort in more.cohorts for spec in cohort.specs} == {0.2}

    # what was trained in one packing is, bit for bit, what another gives
    rows = {row["network_id"]: row for _, one in mine.ledger.cohorts() for row in one.to_pylist()}
    [alone] = run_cohort([specs[1]]).to_pylist()
    assert alone["prune_validation_accuracy"] == rows[specs[1].id]["prune_validation_accuracy"]
    assert alone["curve_train_loss"] == rows[specs[1].id]["curve_train_loss"]


def most_at_once(log):
    """The largest number of stand-ins that ran at the same time."""
    spans = [tuple(map(float, mark.read_text().split()[2:])) for mark in log.iterdir()]
    return max(sum(begin <= start < end for begin, end in spans) for start, _ in spans)


def test_a_quarter_of_a_gpu_runs_four_cohorts_at_a_time_and_a_half_two(tmp_path):
    """In one sweep, so that cohorts with resources of their own are seen to share actors as well."""
    mine = Sweep(tmp_path)
    log, running = tmp_path / "log", tmp_path / "running"
    log.mkdir()
    quarters = [mlps(1, width=0.1 * (number + 1)) for number in range(8)]
    halves = [mlps(1, width=0.1 * (number + 1)) for number in range(8, 12)]

    def meet(specs):
        """Wait for as many others as should run at the same time, and long enough to see one too many."""
        share = ray.get_runtime_context().get_assigned_resources()["GPU"]
        here, seen = running / str(share), running / f"seen-{share}"
        here.mkdir(parents=True, exist_ok=True)
        seen.mkdir(exist_ok=True)
        (here / specs[0].id).touch()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (seen / str(round(1 / share))).exists():
            time.sleep(0.1)
            (seen / str(len(list(here.iterdir())))).touch()
        time.sleep(1)
        (seen / str(len(list(here.iterdir())))).touch()
        (here / specs[0].id).unlink()

    planned = mine.plan_of(*quarters, *halves, gpus=[0.25] * 8 + [0.5] * 4)
    assert mine.run(planned, runner=standin(planned.networks.values(), log, meet)).missing == 0
    most = {path.name: max(int(seen.name) for seen in path.iterdir()) for path in running.glob("seen-*")}
    assert most == {"seen-0.25": 4, "seen-0.5": 2}
    processes = attempts(log)
    assert len(processes) == 12
    assert len({process for width, [process] in processes.items() if width < 0.85}) == 4
    assert len({process for width, [process] in processes.items() if width > 0.85}) == 2


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """One sweep with everything that can go wrong: bad specs, a killed worker, too little memory, a tracker away."""
    folder = tmp_path_factory.mktemp("troubled")
    log, killed = folder / "log", folder / "killed"
    log.mkdir()
    mine = Sweep(folder)

    def act(specs):
        width = specs[0].architecture.width
        if width == 0.2:
            raise ValueError("dataset: cifar10 is truncated\nwith a second line")
        if width == 0.3 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if width == 0.8 and len(specs) > 2:
            os.kill(os.getpid(), signal.SIGKILL)  # as Ray does where a machine runs out of memory
        if width == 0.4 and len(specs) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if width == 0.5 and len(specs) > 1:
            raise MemoryError
        if width == 0.6:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if width == 0.7:
            raise KeyError("a fault of ours")

    cohorts = [mlps(2, 0.1), mlps(2, 0.2), mlps(2, 0.3), mlps(10, 0.4), mlps(3, 0.5), mlps(1, 0.6), mlps(1, 0.7)]
    cohorts.append(mlps(3, 0.8))
    planned = mine.plan_of(*cohorts)
    outcome = mine.run(planned, runner=standin(planned.networks.values(), log, act))
    return mine, cohorts, outcome, {width: len(found) for width, found in attempts(log).items()}


def test_a_killed_worker_costs_nothing(troubled):
    mine, cohorts, _, tried = troubled
    assert tried[0.3] == 3  # as a whole, then its halves
    assert all(mine.finished()[spec.id] == mine.shown()[spec.id] == 1 for spec in cohorts[2])


def test_a_wrong_setting_fails_its_cohort_at_once_and_says_why(troubled):
    mine, cohorts, outcome, tried = troubled
    assert tried[0.2] == 1
    assert outcome.missing == 4
    assert outcome.reasons["dataset: cifar10 is truncated"] == 1
    assert not any(mine.finished()[spec.id] for spec in cohorts[1])


def test_a_cohort_too_large_for_memory_goes_on_in_halves(troubled):
    mine, cohorts, _, _ = troubled
    assert all(mine.finished()[spec.id] == mine.shown()[spec.id] == 1 for spec in cohorts[3] + cohorts[4])
    sizes = [table.num_rows for _, table in mine.ledger.cohorts() if table["width"][0].as_py() == 0.4]
    assert sorted(sizes) == [2, 2, 3, 3]
    assert sorted(t.num_rows for _, t in mine.ledger.cohorts() if t["width"][0].as_py() == 0.5) == [1, 1, 1]


def test_a_worker_without_memory_for_the_whole_cohort_trains_it_in_halves(tmp_path):
    """For real: while it trains, its process may take no more than three of the four networks need."""
    mine = Sweep(tmp_path)
    like = networks.network(MLP(width=10), epochs=1, batch_size=256, stopping=LastEpoch())
    quick = {"pruning": MagnitudePruning(step=0.25), "measures": ()}
    specs = [like.model_copy(update={**quick, "init_seed": seed}) for seed in range(4)]
    room = int(cost_model.need(like, device="cpu").cohort_bytes(3))

    def run(specs, **options):
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData")]
        resource.setrlimit(resource.RLIMIT_DATA, (1024 * int(line.split()[1]) + room, hard))
        try:
            return run_cohort(specs, **options)
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))

    assert mine.run(mine.plan_of(specs), runner=run).missing == 0
    assert mine.finished() == mine.shown() == once(specs)
    assert [table.num_rows for _, table in mine.ledger.cohorts()] == [2, 2]


def test_a_cohort_whose_workers_are_killed_goes_on_in_smaller_parts(troubled):
    mine, cohorts, _, _ = troubled
    assert all(mine.finished()[spec.id] == mine.shown()[spec.id] == 1 for spec in cohorts[7])
    sizes = [table.num_rows for _, table in mine.ledger.cohorts() if table["width"][0].as_py() == 0.8]
    assert sorted(sizes) == [1, 2]


def test_one_network_too_large_for_memory_fails_and_harms_no_other(troubled):
    mine, cohorts, outcome, tried = troubled
    assert tried[0.6] == 1
    assert outcome.reasons[f"out of memory with a single network: {cohorts[5][0].id}"] == 1
    assert all(mine.finished()[spec.id] == mine.shown()[spec.id] == 1 for spec in cohorts[0])


def test_a_fault_of_the_code_fails_its_cohort_at_once_and_is_kept_in_full(troubled):
    mine, _, outcome, tried = troubled
    assert tried[0.7] == 1
    assert outcome.reasons["KeyError: 'a fault of ours'"] == 1
    assert 'raise KeyError("a fault of ours")' in mine.ledger.failures.read_text()


def test_a_shared_ledger_is_gone_on_with_from_another_folder(tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    cohorts = [mlps(2, 0.1), mlps(2, 0.2)]
    shared = (tmp_path / "shared").as_uri()
    first = Sweep(tmp_path / "first", shared=shared)
    planned = first.plan_of(cohorts[0])
    assert first.run(planned, runner=standin(planned.networks.values(), log)).missing == 0
    assert len(list((tmp_path / "shared" / "density").iterdir())) == 1  # the record, and no lock any more
    second = Sweep(tmp_path / "second", shared=shared)
    planned = second.plan([*cohorts[0], *cohorts[1]])
    assert [spec.id for cohort in planned.cohorts for spec in cohort.specs] == [spec.id for spec in cohorts[1]]
    assert second.run(planned, runner=standin(planned.networks.values(), log)).missing == 0
    assert second.finished() == second.shown() == once([*cohorts[0], *cohorts[1]])
    files = len(list((tmp_path / "shared" / "density").iterdir()))
    assert files == len(list(log.iterdir())) == 1 + len(planned.cohorts)


def test_keys_of_the_environment_are_in_none_of_rays_files(tmp_path, monkeypatch):
    """Which others may read. All that a sweep writes: test_doors.py."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key := secrets.token_hex(20))
    mine = Sweep(tmp_path)
    (log := tmp_path / "log").mkdir()
    specs = mlps(2)
    assert mine.run(mine.plan_of(specs), runner=standin(specs, log)).missing == 0
    files = [
        path for path in Path(ray._private.worker._global_node.get_session_dir_path()).rglob("*") if path.is_file()
    ]
    assert any(path.name == "runtime_env_agent.log" for path in files)
    assert not [path for path in files if key.encode() in path.read_bytes()]


def test_workers_with_other_code_than_the_driver_train_nothing_and_say_so(tmp_path, monkeypatch):
    mine = Sweep(tmp_path)
    log = tmp_path / "log"
    log.mkdir()
    specs = mlps(2)
    monkeypatch.setattr(sweep, "code", lambda: Code("", False, "0" * 64))
    outcome = mine.run(mine.plan_of(specs), runner=standin(specs, log))
    assert outcome.missing == 2
    [reason] = outcome.reasons
    assert f"has other code of raydensity than the driver ({DIGEST[:12]}, not 000000000000)" in reason
    assert not list(log.iterdir())


def test_a_tracker_that_goes_away_does_not_stop_a_sweep(tmp_path):
    mine = Sweep(tmp_path)
    log = tmp_path / "log"
    log.mkdir()
    specs = mlps(2)
    planned = mine.plan_of(specs)
    lost = tracking.Tracker("http://127.0.0.1:9", "0", "0" * 32, "density")
    assert mine.run(planned, runner=standin(specs, log), tracker=lost) == sweep.Outcome(0, {}, mine.ledger.summary())
    assert mine.finished() == once(specs)
    assert mine.printed.getvalue().count("warning: MLflow could not be written") == 2  # in the worker, and at the end
    assert mine.run(mine.plan(specs)).missing == 0
    assert mine.shown() == once(specs)


@pytest.mark.slow
def test_a_sweep_whose_workers_cannot_start_gives_up_and_says_why(tmp_path):
    mine = Sweep(tmp_path)

    def runner(specs, **_):
        return synthetic.records(specs)  # a module that workers do not find

    planned = mine.plan_of(*(mlps(1, width=0.1 * (number + 1)) for number in range(20)))
    outcome = mine.run(planned, runner=runner)
    assert outcome.missing == 20
    [reason] = outcome.reasons
    assert "No module named 'synthetic'" in reason
    assert "No module named 'synthetic'" in mine.ledger.failures.read_text()


def test_ray_listens_on_the_loopback_address_alone():
    """At every address of each process below this one."""
    found = processes.listening(processes.family(os.getpid()))
    assert len(found) >= 3
    assert all(address.is_loopback for address, _ in found), found


STRANGER = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=30)
print("let in")
"""


@pytest.mark.parametrize("token", ["its own", "another", "none"])
def test_ray_obeys_those_alone_that_know_its_token(token):
    """Another process on this machine, which reaches the same ports."""
    others = {"another": {"RAY_AUTH_TOKEN": "0" * 64}, "none": {"RAY_AUTH_MODE": "disabled"}}
    command = [sys.executable, "-c", STRANGER, ray.get_runtime_context().gcs_address]
    environment = os.environ | {"RAY_AUTH_MODE": "token"} | others.get(token, {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ("let in" in done.stdout) == (token == "its own"), done.stderr
    assert token == "its own" or "token authentication is enabled" in done.stderr
