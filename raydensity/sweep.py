"""Sweep: run what a plan leaves to do on Ray Tune, then make sure that ledger and MLflow hold all of it."""

from __future__ import annotations

import logging
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray import tune
from ray.tune.execution import class_cache
from rich.console import Console
from rich.table import Table

from raydensity.errors import one_line
from raydensity.experiment import run_cohort
from raydensity.ledger import KINDS, Ledger
from raydensity.plan import KIND, Plan, kind, table_of
from raydensity.progress import Watch
from raydensity.provenance import code
from raydensity.published_weights import Weights
from raydensity.storage import Unreachable
from raydensity.tracking import Tracker
from raydensity.trial import CohortRunner, Job, trial

LOST = ("diverged", "emptied")  # how a network may end without results: its status
LOST_WORKERS = 20  # that a cohort may survive, most of them with their machines; the trial counts the others


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: networks that are not in the ledger, and why, with how many cohorts each reason struck.

    `finished` is the ledger's summary afterwards.
    """

    missing: int
    reasons: dict[str, int]
    finished: pa.Table = field(compare=False, repr=False)


def run(
    plan: Plan,
    *,
    ledger: Ledger,
    owner: str,
    tracker: Tracker,
    data_root: Path,
    console: Console,
    published: Mapping[str, Weights] | None = None,
    runner: CohortRunner = run_cohort,
) -> Outcome:
    """Train, prune and measure the networks that the plan leaves to do, then catch up with MLflow.

    Needs a running Ray unless nothing is to do. `published` has the weights that specs name by digest. What an
    interruption leaves is done by the same call again.
    """
    failures: Iterable[str] = []
    if plan.cohorts:
        failures = _tune(plan, ledger, owner, tracker, data_root, published or {}, console, runner)
    finished = ledger.summary()
    done = set(finished["network_id"].to_pylist()).intersection(plan.networks)
    missing = len(plan.networks) - len(done)
    ledger.drop_checkpoints(done)  # of workers that were killed between a record and its checkpoints
    try:
        ledger.meet()
    except Unreachable as error:
        console.print(
            f"warning: {error}; the records are safe here, and the same command brings them there", markup=False
        )
    try:
        tracker.catch_up(ledger, set(plan.networks))
        tracker.finish(done=len(done), complete=not missing)
    except Exception as error:  # whatever ails a tracker, the ledger is whole
        console.print(f"warning: MLflow could not be written ({one_line(error)}); --sync catches up", markup=False)
    return Outcome(missing, dict(Counter(failures)) if missing else {}, finished)


def _tune(
    plan: Plan,
    ledger: Ledger,
    owner: str,
    tracker: Tracker,
    data_root: Path,
    published: Mapping[str, Weights],
    console: Console,
    runner: CohortRunner,
) -> list[str]:
    """All cohorts as trials of one Tuner; returns the line that each failed one ended with."""
    job = Job(
        cohorts=[ray.put(list(cohort.specs)) for cohort in plan.cohorts],
        runner=runner,
        ledger=ledger,
        owner=owner,
        code=code(),
        tracker=tracker,
        data_root=data_root,
        published=published,
        gpus=[cohort.gpu for cohort in plan.cohorts],
        home=ray.get_runtime_context().get_node_id(),
    )
    # Tune has Ray hand these keys to its workers, and Ray writes what it hands over to a log that others may read.
    class_cache.ENV_VARS_TO_PROPAGATE -= {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are told once, at the end
    resources = [cohort.resources for cohort in plan.cohorts]
    trainable = tune.with_resources(tune.with_parameters(trial, job=job), lambda config: resources[config["cohort"]])
    # Tune's own state is of no use (the ledger decides what is left to do): it goes with the sweep.
    with (
        tempfile.TemporaryDirectory(prefix="raydensity-", ignore_cleanup_errors=True) as storage,
        Watch(plan.cohorts, slots=plan.slots.count, console=console) as watch,
    ):
        tuner = tune.Tuner(
            trainable,
            param_space={"cohort": tune.grid_search(list(range(len(plan.cohorts))))},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name=uuid.uuid4().hex,
                storage_path=storage,
                verbose=0,
                callbacks=[watch],
                stop=watch,
                failure_config=tune.FailureConfig(max_failures=LOST_WORKERS),
            ),
        )
        tuner.fit()
    if watch.tracebacks:
        try:
            ledger.failures.write_text("\n\n".join(watch.tracebacks))
            console.print(f"errors in full: {ledger.failures}", markup=False, soft_wrap=True)
        except OSError:  # a full disk, which may be what the errors are about
            console.print("\n\n".join(watch.tracebacks), markup=False, soft_wrap=True)
    return watch.failures


def summary_table(plan: Plan, finished: pa.Table) -> Table:
    """What was found, a row a kind of network; accuracy, or the loss of a regression, is the mean and standard
    deviation of those that were not lost."""
    own = pc.is_in(finished["network_id"], pa.array(list(plan.networks), pa.string()))
    frame = finished.filter(own).drop_columns(["network_id", "cohort_id"]).to_pandas()
    # Networks from before there was one of these columns have null there.
    frame[KINDS] = frame[KINDS].fillna({"sparsity": "", "inputs": 0, "samples": 0, "momentum": 0.0})
    rows = []
    for levels, group in frame.groupby(KINDS):
        if (group["task"] == "regression").any():
            judged = f"loss {group['validation_loss'].mean():.3f} ± {group['validation_loss'].std():.3f}"
        else:
            accuracy = 100 * group["validation_accuracy"]
            judged = f"{accuracy.mean():.1f} ± {accuracy.std():.1f} %"
        rows.append(
            (
                *kind(dict(zip(KINDS, levels, strict=True))),
                f"{len(group):,}",
                *(f"{(group['status'] == status).sum():,}" for status in LOST),
                f"{group['converged'].sum():,}",
                f"{group['epochs'].mean():.1f}",
                judged,
            )
        )
    columns = (*KIND, "width", "n", *LOST, "converged", "mean epochs", "validation")
    return table_of(f"{plan.study} · {plan.scale}: trained networks", columns, rows)
