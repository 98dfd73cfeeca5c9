"""Ray: a local one that nobody else can reach, or a cluster that runs already; and what there is to run on."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator

import joblib
import torch

from raydensity.errors import one_line
from raydensity.memory import machine_memory
from raydensity.placement import Cluster
from raydensity.provenance import DIGEST, other_code

# Read when Ray starts. No usage statistics, no files a trial, and Ctrl-C ends the sweep at once: the ledger has it all.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints a banner however quiet it should be
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray._private import ray_constants  # noqa: E402
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # noqa: E402
from ray.autoscaler.sdk import request_resources  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

OBJECT_STORE = 128 * 2**20  # bytes; only specs pass through it
PATIENCE = 5.0  # seconds for an address to answer
WORKER_PATIENCE = 900.0  # seconds for a cloud to bring the first worker
ANSWER_PATIENCE = 120.0  # for a busy machine to start a process


def local_resources() -> Cluster:
    """This machine: the cores and the memory that it may use, containers' limits respected, and its GPUs."""
    gpus = torch.cuda.device_count()
    return Cluster(
        cpus=joblib.cpu_count(),
        gpus=gpus,
        memory_per_cpu=machine_memory() / joblib.cpu_count(),
        gpu_memory=min((torch.cuda.get_device_properties(n).total_memory for n in range(gpus)), default=0),
    )


def check_address(address: str) -> None:
    """ValueError, in one line and within seconds, unless something answers at HOST:PORT."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--address: {address!r} is not HOST:PORT, such as 10.0.0.1:6379 (`ray start` prints it)")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"--address: no Ray cluster answers at {address} ({error})") from None


@contextlib.contextmanager
def connection(address: str | None, *, resources: Cluster, wait: bool = True) -> Iterator[Cluster]:
    """Ray while the body runs: a local one with `resources`, or the cluster at `address`; yields what there is.

    A cluster without a core is asked for one, and waited for, unless `wait` is false: workers of a cloud cost money.

    Uses a Ray that this process has started already. ValueError if the cluster cannot be joined.
    """
    if ray.is_initialized():
        yield _cluster_resources(resources)
        return
    try:
        if address:
            check_address(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            # As on macOS: Ray's servers then listen on the loopback address alone. There is no public setting for it.
            assert hasattr(ray_constants, "ENABLE_RAY_CLUSTER"), "this version of Ray would listen everywhere"
            ray_constants.ENABLE_RAY_CLUSTER = False
            _make_token()
            ray.init(
                address="local",  # never a cluster that happens to run here
                num_cpus=resources.cpus,
                num_gpus=int(resources.gpus),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError) as error:
        where = f"--address: the Ray cluster at {address} cannot be joined" if address else "Ray does not start here"
        raise ValueError(f"{where} ({one_line(error)})") from None
    try:
        if address:
            _need_a_core(address, patience=WORKER_PATIENCE if wait else 0)
            _need_the_same_code()
        yield _cluster_resources(resources) if address else resources
    finally:
        ray.shutdown()


def _make_token() -> None:
    """Have a Ray that this process starts obey it and its workers alone: all users of a machine reach its ports.

    Ray itself would write a token into a file that others may read, and which later clusters here would insist on.
    """
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    AuthenticationTokenLoader.instance().reset_cache()  # what it has read may be of that file


def _need_a_core(address: str, *, patience: float) -> None:
    """An autoscaled cluster may stand without workers: ask for one, and wait until it is there.

    ValueError if none comes: Tune would wait forever.
    """
    try:
        deadline = time.monotonic() + patience
        while not ray.cluster_resources().get("CPU"):
            if time.monotonic() >= deadline:
                raise ValueError(
                    f"--address: the Ray cluster at {address} has no CPU core, and none came in {patience:g} s"
                )
            request_resources(num_cpus=1)
            time.sleep(1)
    finally:
        request_resources(bundles=[])  # what the sweep asks for from now on decides


def _need_the_same_code() -> None:
    """ValueError, in one line, if a machine of the cluster would run other code than this process.

    Those that join later find it out themselves (trial.py).
    """

    @ray.remote(num_cpus=0, max_retries=0)
    def digest_there() -> str:
        from raydensity import provenance

        return provenance.DIGEST

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    there = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    asked = [digest_there.options(scheduling_strategy=each).remote() for each in there]
    for node, reference in zip(nodes, asked, strict=True):
        name = node["NodeManagerAddress"]
        try:
            found = ray.get(reference, timeout=ANSWER_PATIENCE)
        except ray.exceptions.RayError as error:
            raise ValueError(f"--address: the node {name} cannot run raydensity ({_cause(error)})") from None
        if found != DIGEST:
            raise ValueError(f"--address: {other_code(found, than=DIGEST, node=name)}")


def _cause(error: BaseException) -> str:
    """What went wrong on the other machine, where Ray says so."""
    return one_line(getattr(error, "cause", None) or error)


def _cluster_resources(here: Cluster) -> Cluster:
    """What a running Ray has in all; memory as on the node that has least of it for a core."""
    total = ray.cluster_resources()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    workers = [node for node in nodes if node.get("CPU")]
    # Ray reports the memory that it schedules, about 70 % of a node's: near enough for estimates.
    memory = min((node["memory"] / node["CPU"] for node in workers if "memory" in node), default=here.memory_per_cpu)
    gpus = total.get("GPU", 0)
    return Cluster(
        cpus=int(total.get("CPU", 0)),
        gpus=gpus,
        memory_per_cpu=memory,
        gpu_memory=_gpu_memory() if gpus else here.gpu_memory,
    )


def _gpu_memory() -> int:
    """Bytes of a GPU of the cluster, asked where one is; 0 where Ray's GPUs are none of CUDA's."""

    @ray.remote(num_cpus=0, num_gpus=0.01)
    def ask() -> int:
        return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0

    try:
        return ray.get(ask.remote(), timeout=60)
    except ray.exceptions.GetTimeoutError:
        return 0
