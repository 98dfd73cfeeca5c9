"""MLflow: the view of a sweep. Runs nest: sweep > cohort > network; docs/architecture.md has the layout.

Everything shown comes from the ledger, so a tracker that was away, or was lost, is caught up with at any time. A
cohort's run becomes FINISHED after all that belongs to it is written: one that is not is an unfinished twin and is
replaced.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq

# Nothing is sent home, and a tracker that is away costs seconds, not minutes. Read when mlflow is imported.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from raydensity.cohort_picture import draw  # noqa: E402
from raydensity.errors import one_line  # noqa: E402
from raydensity.record import FACTORS, diverged  # noqa: E402

BATCH = 1000  # metrics that a tracking server takes at once
PAGE = 10_000  # runs that a search returns at once

KIND, PARENT, NAME = "raydensity.kind", "mlflow.parentRunId", "mlflow.runName"
FINAL = ("validation_accuracy", "validation_loss", "test_accuracy", "test_loss", "train_loss")
COUNTED = ("epochs", "stopped_epoch", "parameters", "weights", "table1_count")
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


@dataclass(frozen=True)
class Tracker:
    """Where a sweep is tracked: made by the driver, used by its workers. Ids alone, so that nothing is looked up twice.

    `networks` says whether every network gets a run of its own below its cohort's.
    """

    uri: str
    experiment_id: str
    sweep_run_id: str
    study: str
    networks: bool = True

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def track(self, path: Path, record: pa.Table) -> None:
        """Show one cohort: its ledger file and its rows. Writing it again changes nothing; a twin is replaced."""
        [cohort] = set(record["cohort_id"].to_pylist())
        twins = self._search(f"tags.`raydensity.cohort_id` = '{cohort}' and tags.`{KIND}` = 'cohort'")
        if any(run.info.status == "FINISHED" for run in twins):
            return
        for twin in twins:
            self._remove(twin.info.run_id)
        rows = record.to_pylist()
        title = cohort_title(rows)
        run_id = self._create(title, self.sweep_run_id, "cohort", {"raydensity.cohort_id": cohort})
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "record.parquet"
            if pq.read_metadata(path).num_rows == len(rows):
                whole.write_bytes(path.read_bytes())
            else:
                pq.write_table(record, whole)
            self.client.log_artifact(run_id, str(whole))
            picture = Path(folder) / "curves.png"
            draw(record, picture, title=title)
            self.client.log_artifact(run_id, str(picture))
        if self.networks:
            for row in rows:
                self._track_network(row, run_id)
        spent = {key: sum(row[key] for row in rows) for key in rows[0] if key.startswith("seconds_")}
        shared = {key: rows[0][key] for key in ("dataset", "architecture", "width", "optimizer", "device")}
        self._log(run_id, _points({"networks": len(rows), "diverged": diverged(record), **spent}), shared)
        self.client.set_terminated(run_id, "FINISHED")

    def catch_up(self, cohorts: Iterable[tuple[Path, pa.Table]], wanted: set[str]) -> int:
        """Track every cohort of a ledger that holds a wanted network and is not shown yet; returns how many."""
        shown = {
            run.data.tags["raydensity.cohort_id"]
            for run in self._search(f"tags.`{KIND}` = 'cohort' and attributes.status = 'FINISHED'")
        }
        late = 0
        for path, record in cohorts:
            rows = record["network_id"].to_pylist()
            if wanted.isdisjoint(rows) or record["cohort_id"][0].as_py() in shown:
                continue
            self.track(path, record)
            late += 1
        return late

    def finish(self, *, done: int, complete: bool) -> None:
        """Close the sweep's run: FINISHED once all its networks are, else KILLED, to be taken up again."""
        self._log(self.sweep_run_id, _points({"networks_done": done}), {})
        self.client.set_terminated(self.sweep_run_id, "FINISHED" if complete else "KILLED")

    def _track_network(self, row: dict[str, Any], parent: str) -> None:
        name = f"×{row['width']:g} {row['initializer']} init {row['init_seed']} data {row['data_seed']}"
        tags = {"raydensity.network_id": row["network_id"], "raydensity.status": row["status"]}
        run_id = self._create(name, parent, "network", tags)
        metrics = _points({key: row[key] for key in (*FINAL, *COUNTED)} | {"converged": float(row["converged"])})
        for curve in CURVES:
            metrics += _curve(f"training/{curve}", row["curve_epoch"], row[f"curve_{curve}"])
        percent = [round(100 * share) for share in row["prune_removed"] or []]
        for curve in ("accuracy", "loss"):
            metrics += _curve(f"pruning/validation_{curve}", percent, row[f"prune_validation_{curve}"] or [])
        self._log(run_id, metrics, {factor: row[factor] for factor in FACTORS.names})
        self.client.set_terminated(run_id, "FINISHED")

    def _create(self, name: str, parent: str, kind: str, tags: dict[str, str]) -> str:
        own = {NAME: name, PARENT: parent, KIND: kind, "raydensity.study": self.study}
        return self.client.create_run(self.experiment_id, tags=own | tags).info.run_id

    def _log(self, run_id: str, metrics: Sequence[Metric], params: dict[str, Any]) -> None:
        given = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, max(len(metrics), 1), BATCH):
            self.client.log_batch(run_id, metrics[start : start + BATCH], given if start == 0 else [])

    def _search(self, condition: str) -> list:
        return _search(self.client, self.experiment_id, condition)

    def _remove(self, run_id: str) -> None:
        """Delete a run with its children: in MLflow a deleted run is hidden and can be restored."""
        for child in self._search(f"tags.`{PARENT}` = '{run_id}'"):
            self.client.delete_run(child.info.run_id)
        self.client.delete_run(run_id)


def check(uri: str) -> None:
    """ValueError, in one line and soon, unless the tracker answers. Makes a database that is not there yet."""
    with _reachable(uri):
        MlflowClient(uri).search_experiments(max_results=1)


def open_sweep(
    uri: str,
    *,
    study: str,
    scale: str,
    sweep_id: str,
    network_ids: Sequence[str],
    levels: dict[str, list],
    networks: bool,
) -> Tracker:
    """Make the database, the experiment and the sweep's run, or take up the run that the same command made before.

    ValueError, in one line, if the tracker cannot be reached. Call it once, before any worker.
    """
    with _reachable(uri):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(study)
        if found is not None and found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        experiment_id = found.experiment_id if found else client.create_experiment(study, _artifacts(uri, study))
        runs = _search(client, experiment_id, f"tags.`raydensity.sweep_id` = '{sweep_id}' and tags.`{KIND}` = 'sweep'")
        now = datetime.now(UTC)
        if runs:
            run_id = runs[0].info.run_id
            client.update_run(run_id, status="RUNNING")
        else:
            name = f"{study} · {scale} · {now.astimezone():%Y-%m-%d %H:%M}"
            tags = {NAME: name, KIND: "sweep", "raydensity.sweep_id": sweep_id}
            tags |= {"raydensity.study": study, "raydensity.scale": scale}
            run_id = client.create_run(experiment_id, tags=tags).info.run_id
        params = [Param(factor, ", ".join(map(str, own))[:6000]) for factor, own in levels.items()]
        client.log_batch(run_id, _points({"networks": len(network_ids)}), params)
        with tempfile.TemporaryDirectory() as folder:
            cells = Path(folder) / "cells.parquet"
            pq.write_table(pa.table({"network_id": list(network_ids)}), cells)
            client.log_artifact(run_id, str(cells))
        client.log_batch(run_id, tags=[RunTag("raydensity.touched", now.isoformat(timespec="microseconds"))])
    return Tracker(uri, experiment_id, run_id, study, networks)


def shown(uri: str) -> str:
    """The URI without user and password, fit for a screen or a log."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def cohort_title(rows: Sequence[dict[str, Any]]) -> str:
    """Such as: mlp ×0.5 · sgd · mnist · 20 networks."""
    first, count = rows[0], f"{len(rows)} network{'s' if len(rows) > 1 else ''}"
    return f"{first['architecture']} ×{first['width']:g} · {first['optimizer']} · {first['dataset']} · {count}"


@contextlib.contextmanager
def _reachable(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = one_line(error).replace(uri, shown(uri))
        raise ValueError(f"--tracking-uri: {shown(uri)} cannot be used ({reason})") from None


def _search(client: MlflowClient, experiment_id: str, condition: str) -> list:
    found: list = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _artifacts(uri: str, study: str) -> str | None:
    """Files stand beside a database file; a tracking server knows its own place."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlruns" / study).as_uri()


def _points(values: dict[str, float | None]) -> list[Metric]:
    """Single values; what is not finite is left out: MLflow would show infinity as 1.8e308."""
    now = int(time.time() * 1000)
    return [Metric(key, value, now, 0) for key, value in values.items() if value is not None and math.isfinite(value)]


def _curve(key: str, steps: Sequence[int], values: Sequence[float]) -> list[Metric]:
    now = int(time.time() * 1000)
    points = zip(steps, values, strict=True)
    return [Metric(key, value, now, step) for step, value in points if value is not None and math.isfinite(value)]
