"""The Tune trainable: one cohort, from specs to the ledger and to MLflow.

A trial never decides what is left to do (the ledger does) and never loses a result: the record is safe before anything
else is tried with it.
"""

from __future__ import annotations

import gc
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import torch
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raydensity.errors import one_line
from raydensity.experiment import Progress
from raydensity.ledger import Ledger
from raydensity.provenance import DIGEST, Code, other_code
from raydensity.published_weights import Weights
from raydensity.spec import NetworkSpec
from raydensity.storage import Unreachable
from raydensity.tracking import Tracker

WORKER_DEATHS = 2  # that a cohort may survive
REPORT_SECONDS = 2.0  # between two reports; each costs the driver about a millisecond
ELSEWHERE = Path.home() / ".cache" / "raydensity"  # checkpoints on nodes that may not have the driver's folders
TRACKER_SECONDS = 60.0  # for which a worker leaves a tracker alone that failed: waiting for it may take as long
_away_since = -math.inf

CohortRunner = Callable[..., pa.Table]  # experiment.run_cohort, or one with its signature


@dataclass(frozen=True)
class Job:
    """What all trials of a sweep share. Paths are absolute: a worker's folder is not the user's.

    `cohorts` are references to lists of specs, and `gpus` the share of a GPU that each has; `owner` is the driver's
    token for the ledger, and `code` what it runs; `published` has the weights that specs name by digest; `home` is the
    node that has the ledger: records come there from every other one.
    """

    cohorts: Sequence[ray.ObjectRef]
    gpus: Sequence[float]
    runner: CohortRunner
    ledger: Ledger
    owner: str
    code: Code
    tracker: Tracker
    data_root: Path
    published: Mapping[str, Weights]
    home: str


def trial(config: dict[str, Any], *, job: Job) -> dict[str, Any]:
    """Run the cohort whose number `config` gives, in halves where memory runs out.

    `config` also has what the workers died of that it has lost (`deaths`): each might have been killed for its memory,
    so that what the ledger still lacks is split in halves as often, and given up after WORKER_DEATHS. Returns how many
    networks are `networks_done`, and `failed`, `traceback` and `warning`, empty where there is none. An error fails the
    trial at once, as it would again; a lost worker is Tune's to replace, and so is one whose GPU may have been left
    unusable.
    """
    tune.report(_result(0, share=0.0))  # this worker works
    if job.code.digest != DIGEST:
        return _result(0, failed=other_code(DIGEST, than=job.code.digest, node=ray.util.get_node_ip_address()))
    specs: list[NetworkSpec] = ray.get(job.cohorts[config["cohort"]])
    device = _device(job.gpus[config["cohort"]])
    pending, done, warnings = [specs], 0, []
    if deaths := config.get("deaths", []):
        left = _at_home(unfinished, specs, job)
        done = len(specs) - len(left)
        if len(deaths) > WORKER_DEATHS:
            return _result(done, failed=deaths[-1])
        size = max(1, math.ceil(len(specs) / 2 ** len(deaths)))
        pending = [left[start : start + size] for start in range(0, len(left), size)]
    last_report = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal last_report
        if time.monotonic() - last_report >= REPORT_SECONDS:
            last_report = time.monotonic()
            tune.report(_result(done + progress.networks_done, share=progress.epoch / progress.max_epochs))

    while pending:
        part = pending.pop()
        try:
            warnings.append(_run(part, job, device, on_progress))
            done += len(part)
        except ValueError as error:
            return _result(done, failed=one_line(error))
        except Exception as error:
            if not _out_of_memory(error):
                if device == "cuda":
                    raise
                last = traceback.format_exception_only(error)[-1].strip()
                return _result(done, failed=last, trace=traceback.format_exc())
            if len(part) == 1:
                return _result(done, failed=f"out of memory with a single network: {part[0].id}")
            half = (len(part) + 1) // 2
            pending += [part[half:], part[:half]]
        gc.collect()  # an exception's frames hold the tensors of the cohort that was too large
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return _result(done, warning=next(filter(None, warnings), ""))


def _result(done: int, *, share: float = 1.0, failed: str = "", trace: str = "", warning: str = "") -> dict[str, Any]:
    return {"networks_done": done, "share": share, "failed": failed, "traceback": trace, "warning": warning}


def _run(specs: Sequence[NetworkSpec], job: Job, device: str, on_progress: Callable[[Progress], None]) -> str:
    """Run one cohort; returns a warning, or nothing."""
    ledger = job.ledger if _is_home(job) else Ledger(ELSEWHERE, job.ledger.study)
    record = job.runner(
        specs,
        device=device,
        data_root=job.data_root,
        published=job.published,
        checkpoints=ledger.checkpoints,
        on_progress=on_progress,
        made_by=job.code,
    )
    warning = _at_home(keep, record, job)
    ledger.drop_checkpoints({spec.id for spec in specs})
    return warning


def _is_home(job: Job) -> bool:
    return ray.get_runtime_context().get_node_id() == job.home


def _at_home(task: Callable[..., Any], *arguments: Any) -> Any:
    """Call a task, whose last argument is the job, on the node that has the ledger."""
    job: Job = arguments[-1]
    if _is_home(job):
        return task(*arguments)
    there = NodeAffinitySchedulingStrategy(job.home, soft=False)
    return ray.get(ray.remote(num_cpus=0)(task).options(scheduling_strategy=there).remote(*arguments))


def unfinished(specs: Sequence[NetworkSpec], job: Job) -> list[NetworkSpec]:
    """Those of the networks that are not in the ledger."""
    finished = job.ledger.finished_ids()
    return [spec for spec in specs if spec.id not in finished]


def keep(record: pa.Table, job: Job) -> str:
    """Write a record to the ledger, then share it and show it in MLflow; returns a warning if one of these could not be
    done now."""
    global _away_since
    path = job.ledger.write(record, owner=job.owner)
    warning = ""
    try:
        job.ledger.share(path)
    except Unreachable as error:  # safe on this machine, and shared later
        warning = f"{error}; the records are safe here, and go there at the end"
    if time.monotonic() - _away_since < TRACKER_SECONDS:
        return warning
    try:
        job.tracker.track(path, record)
    except Exception as error:  # whatever ails a tracker, the record is safe and is tracked later
        _away_since = time.monotonic()
        return warning or f"MLflow could not be written ({one_line(error)}); it catches up at the end"
    return warning


def _device(gpu: float) -> str:
    if not gpu or not torch.cuda.is_available():
        return "cpu"
    # Ray's fractions only place: without a cap of its own a cohort could take a neighbour's memory.
    torch.cuda.set_per_process_memory_fraction(gpu)
    return "cuda"


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # torch on a CPU, cuBLAS and cuDNN have no class of their own for it.
    return any(words in str(error) for words in ("can't allocate memory", "ALLOC_FAILED"))
