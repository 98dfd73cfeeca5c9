"""cluster-own-machines.yaml for real, on hosts of a lab: two workers, of which one is lost half-way.

    python tests/cluster/end_to_end.py --study density --scale reduced

runs a sweep with these options of sweeps/run_all.py (one of the study `density`), once on this machine alone and once
as a job on the cluster, and compares. --undisturbed FOLDER, before them, takes the first from an earlier run:
FOLDER/results.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "cluster")]

from lab import USER, Lab, missing  # noqa: E402
from real_sweeps import assert_the_same, finish, start, wait_for, workers  # noqa: E402
from synthetic import new_store  # noqa: E402

from raydensity.ledger import Ledger  # noqa: E402

DASHBOARD, MLFLOW, GCS = 8265, 5000, 6379
UP_SECONDS = 600
SECONDS = 4 * 3600  # for a sweep


def lab_config(lab: Lab, data: Path) -> dict[str, Any]:
    """cluster-own-machines.yaml with the lab's machines, which share this virtual environment and have a core each."""
    config = yaml.safe_load((ROOT / "cluster-own-machines.yaml").read_text())
    head, *others = lab.addresses
    config["provider"] |= {"head_ip": head, "worker_ips": others}
    config["auth"] = {"ssh_user": USER, "ssh_private_key": str(lab.key)}
    config["file_mounts"]["~/data"] = str(data)
    made, installed, *rest = config["setup_commands"]
    assert "-m venv ~/venv" in made
    assert "-e ~/checkout" in installed
    own = "export PYTHONPATH=$HOME/checkout RAY_DASHBOARD_STARTUP_TIMEOUT_S=300"  # three starts share a machine here
    shared = [f"ln -sfn {sys.prefix} ~/venv", f"echo '{own}' >> ~/.bashrc"]
    config["setup_commands"] = shared + rest
    store = "--object-store-memory=200000000"
    for kind, options in {"head": store, "worker": f"{store} --num-cpus=1"}.items():
        config[f"{kind}_start_ray_commands"][-1] += f" {options}"
    return config


class OwnMachines:
    """A cluster on the hosts of a lab, and what a user does with it from the gateway, as docs/cluster.md says."""

    def __init__(self, lab: Lab, data: Path) -> None:
        self.lab, self.head = lab, lab.addresses[0]
        self.config = lab.folder / "cluster.yaml"
        self.config.write_text(yaml.safe_dump(lab_config(lab, data)))
        self.home = lab.folder / self.head / "home" / USER
        self.environment = lab.environment() | {"RAY_UP_enable_autoscaler_v2": "0", "RAY_AUTH_MODE": "token"}
        self.options = {"env": self.environment, "text": True}

    def ray(self, *arguments: str, **options: Any) -> str:
        """What a command of Ray's prints. AssertionError, with that, if it fails."""
        done = self.lab.run(
            ["ray", *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.options | options
        )
        assert not done.returncode, done.stdout[-5000:]
        return done.stdout

    def up(self) -> None:
        self.ray("get-auth-token", "--generate")
        self.ray("up", "-y", "--no-config-cache", str(self.config), timeout=UP_SECONDS)
        cores = len(self.lab.addresses) - 1
        wait_for(lambda: f"/{cores}.0 CPU" in self.ray("exec", str(self.config), "ray status"), UP_SECONDS)

    @contextlib.contextmanager
    def tunnel(self, port: int, *command: str) -> Iterator[None]:
        """A port of the head's loopback address on that of the gateway, while the body runs."""
        # `ray attach` lasts as long as its input.
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with self.lab.popen(["ray", *command], **streams, **self.options) as ssh:
            try:
                wait_for(lambda: self.answers("127.0.0.1", port), UP_SECONDS)
                yield
            finally:
                ssh.kill()

    def answers(self, host: str, port: int) -> bool:
        """Whether a port can be reached from the gateway."""
        knock = ["timeout", "5", "bash", "-c", f": < /dev/tcp/{host}/{port}"]
        return not self.lab.run(knock, check=False, capture_output=True).returncode

    def submit(self, name: str, grid: Sequence[str]) -> subprocess.Popen:
        """A sweep as a job; its log is `name`.log."""
        with (self.lab.folder / f"{name}.log").open("w") as log:
            line = ["ray", "job", "submit", "--address", f"http://127.0.0.1:{DASHBOARD}", "--submission-id", name]
            line += ["--", "python", "checkout/sweeps/run_all.py", *grid]
            return self.lab.popen(line, stdout=log, stderr=subprocess.STDOUT, **self.options)

    def stop(self, name: str) -> None:
        self.ray("job", "stop", "--address", f"http://127.0.0.1:{DASHBOARD}", name)

    def done(self) -> int:
        """Networks in the ledger, seen on the head's disk."""
        return len(Ledger(self.home / "results", "density", readonly=True).finished_ids())

    def busy_worker(self) -> str:
        """The address of a worker on which a cohort trains; nothing if there is none."""
        own = (address for address in self.lab.addresses[1:] if workers(self.lab.machines[address].pid))
        return next(own, "")


def run(folder: Path, grid: Sequence[str], *, data: Path, undisturbed: Path | None = None) -> None:
    """The sweep on one machine, unless `undisturbed` has it, and on a cluster that is ill-treated; AssertionError, or
    another, unless the second finds what the first did."""
    if undisturbed is None:
        undisturbed = folder / "undisturbed"
        undisturbed.mkdir(parents=True)
        new_store(undisturbed)
        said("on this machine alone")
        finish(start(undisturbed, grid), seconds=SECONDS)
    networks = len(Ledger(undisturbed / "results", "density", readonly=True).finished_ids())
    with Lab(folder / "lab", kept=[data]) as lab:
        machines = OwnMachines(lab, data)
        said("ray up")
        machines.up()
        with machines.tunnel(DASHBOARD, "dashboard", str(machines.config)):
            said("a job, which is stopped after a quarter of the networks")
            job = machines.submit("first", grid)
            wait_for(lambda: ended(job) or machines.done() >= networks / 4, SECONDS)
            machines.stop("first")
            assert job.wait(600) == 0  # that is how Ray ends the command of a stopped job
            assert "interrupted: what is finished is safe" in (lab.folder / "first.log").read_text()
            kept = machines.done()
            said(f"{kept} of {networks} networks; the same job again, and a worker lost after half of them")
            job = machines.submit("second", grid)
            wait_for(lambda: ended(job) or (machines.done() >= networks / 2 and machines.busy_worker()), SECONDS)
            assert not ended(job), "finished before a worker could be taken away"
            lost = machines.busy_worker()
            lab.cut_off(lost)
            said(f"{lost} is gone at {machines.done()} networks")
            log = lab.folder / "second.log"
            assert job.wait(SECONDS) == 0, log.read_text()
            said("finished; the same job once more finds nothing to do")
            assert machines.submit("third", grid).wait(600) == 0, (lab.folder / "third.log").read_text()
            assert "nothing to train" in (lab.folder / "third.log").read_text()
        assert re.search(r"\d of [\d,]+ networks", log.read_text()), "no progress was shown"
        fetched = folder / "fetched"
        fetched.mkdir()
        machines.ray("rsync-down", str(machines.config), "results/", f"{fetched}/results/")
        assert_the_same(fetched, undisturbed)
        with machines.tunnel(MLFLOW, "attach", str(machines.config), "--port-forward", str(MLFLOW)):
            check = f"from real_sweeps import *; assert_all_tracked('http://127.0.0.1:{MLFLOW}', {networks})"
            path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
            lab.run([sys.executable, "-c", check], env=machines.environment | path)
        assert machines.answers(machines.head, GCS)
        assert not any(machines.answers(machines.head, port) for port in (DASHBOARD, MLFLOW, 5432))
        machines.ray("down", "-y", str(machines.config))
        assert not machines.answers(machines.head, GCS)
    said(f"the same tables: {', '.join(table.name for table in sorted(fetched.rglob('tables/*.csv')))}")


def ended(job: subprocess.Popen) -> bool:
    return job.poll() is not None


def said(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"error: {reason}")
    options, earlier = sys.argv[1:], None
    if options[:1] == ["--undisturbed"]:
        earlier, options = Path(options[1]).absolute(), options[2:]
    if not options:
        sys.exit(__doc__)
    place = Path(tempfile.mkdtemp(prefix="end-to-end-"))
    print(f"everything is kept in {place}")
    run(place, options, data=Path(os.environ.get("RAYDENSITY_DATA", "data")).absolute(), undisturbed=earlier)
