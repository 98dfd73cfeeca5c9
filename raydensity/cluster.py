"""Ray: a local one that nobody else can reach, or a cluster that runs already; and what there is to run on."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import joblib
import torch

from raydensity.errors import one_line
from raydensity.memory import machine_memory
from raydensity.placement import Node
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

log = logging.getLogger(__name__)

OBJECT_STORE = 128 * 2**20  # bytes; only specs pass through it
PATIENCE = 5.0  # seconds for an address to answer
WORKER_PATIENCE = 900.0  # seconds for a cloud to bring the first worker
ANSWER_PATIENCE = 120.0  # for a busy machine to start a process
HEAD_PATIENCE = 40.0  # for a head that is gone to come back; after 60 Ray ends this process, in words of its own
GPU_PATIENCE = 60.0  # for a GPU to be free enough to be asked
ACCELERATOR = "accelerator_type:"  # how Ray names the resource that tells kinds of GPUs apart


def local_resources() -> Node:
    """This machine: the cores and the memory that it may use, containers' limits respected, and its GPUs."""
    gpus = torch.cuda.device_count()
    return Node(
        cpus=joblib.cpu_count(),
        gpus=gpus,
        memory_per_cpu=machine_memory() / joblib.cpu_count(),
        gpu_memory=min((torch.cuda.get_device_properties(n).total_memory for n in range(gpus)), default=0),
    )


def check_address(address: str) -> None:
    """ValueError, in one line and within seconds, unless something answers at HOST:PORT.

    `auto`, the cluster that this machine belongs to, is left to Ray.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(
            f"--address: {address!r} is not HOST:PORT, such as 10.0.0.1:6379 (`ray start` prints it), nor auto"
        )
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"--address: no Ray cluster answers at {address} ({error})") from None


@contextlib.contextmanager
def connection(address: str | None, *, resources: Node, wait: bool = True, gpu: bool = False) -> Iterator[list[Node]]:
    """Ray while the body runs: a local one with `resources`, or the cluster at `address`; yields the nodes that work.

    A cluster without a core, or with `gpu` without a GPU, is asked for one, and waited for, unless `wait` is false:
    workers of a cloud cost money.

    Uses a Ray that this process has started already. ValueError if the cluster cannot be joined.
    Where its head is lost this process ends.
    """
    if ray.is_initialized():
        yield _nodes(resources)
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
        with _watched_head() if address else contextlib.nullcontext():
            if address:
                _need_a_worker(address, gpu=gpu, patience=WORKER_PATIENCE if wait else 0)
                _need_the_same_code()
            yield _nodes(resources) if address else [resources]
    finally:
        ray.shutdown()


def _make_token() -> None:
    """Have a Ray that this process starts obey it and its workers alone: all users of a machine reach its ports.

    Ray itself would write a token into a file that others may read, and which later clusters here would insist on.
    """
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    AuthenticationTokenLoader.instance().reset_cache()  # what it has read may be of that file


@contextlib.contextmanager
def _watched_head() -> Iterator[None]:
    """Ends this process, with a line that says so, when the head has not answered for HEAD_PATIENCE seconds.

    Nothing gentler will do: calls into Ray wait for the head, and none of them can be interrupted.
    """
    address = ray.get_runtime_context().gcs_address
    ended = threading.Event()

    def watch() -> None:
        answered = time.monotonic()
        while not ended.wait(PATIENCE):
            try:
                check_address(address)
                answered = time.monotonic()
            except ValueError:
                if time.monotonic() - answered > HEAD_PATIENCE:
                    print(
                        f"error: the Ray cluster at {address} is gone; what is finished is safe, and the same command "
                        "goes on with the rest where one runs again",
                        file=sys.stderr,
                        flush=True,
                    )
                    os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _need_a_worker(address: str, *, gpu: bool, patience: float) -> None:
    """An autoscaled cluster may stand without workers: ask for one, and wait until it is there.

    ValueError if none comes: Tune would wait forever.
    """
    wanted, name = ("GPU", "GPU") if gpu else ("CPU", "CPU core")
    lacks = f"the Ray cluster at {address} has no {name}"
    if patience and not ray.cluster_resources().get(wanted):
        log.warning("%s: waiting up to %g s for a worker", lacks, patience)
    try:
        deadline = time.monotonic() + patience
        while not ray.cluster_resources().get(wanted):
            if time.monotonic() >= deadline:
                raise ValueError(f"--address: {lacks}, and none came in {patience:g} s")
            request_resources(bundles=[{"CPU": 1, wanted: 1}])
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


def _nodes(here: Node) -> list[Node]:
    """The nodes of a running Ray that have cores, each with its own memory and kind of GPU."""
    found = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    gpu_memory = _gpu_memory([node["NodeID"] for node in found if node["Resources"].get("GPU")])
    nodes = []
    for node in found:
        has = node["Resources"]
        # Ray reports the memory that it schedules, about 70 % of a node's: near enough for estimates.
        memory = has["memory"] / has["CPU"] if "memory" in has else here.memory_per_cpu
        accelerator = next((name for name in has if name.startswith(ACCELERATOR)), "")
        of_gpu = gpu_memory.get(node["NodeID"], 0)
        nodes.append(Node(int(has["CPU"]), has.get("GPU", 0), memory, of_gpu, accelerator))
    return nodes


def _gpu_memory(node_ids: Sequence[str]) -> dict[str, int]:
    """Bytes of a GPU of these nodes, asked there; 0 where Ray's GPUs are none of CUDA's, or are all taken."""

    @ray.remote(num_cpus=0, num_gpus=0.01)
    def ask() -> int:
        return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0

    there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in node_ids]
    asked = {ask.options(scheduling_strategy=each).remote(): node for each, node in zip(there, node_ids, strict=True)}
    if not asked:
        return {}
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=GPU_PATIENCE)
    return {asked[reference]: ray.get(reference) for reference in answered}
