"""MLflow: the view of a sweep. Runs nest: sweep > cohort > network; docs/architecture.md has the layout.

Everything shown comes from the ledger, so a tracker that was away, or was lost, is caught up with at any time. A
cohort's run becomes FINISHED after all that belongs to it is written: one that is not is an unfinished twin and is
replaced. Its tags say which networks it holds, and the digest of its record: what the ledger now has otherwise is
replaced as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from raydensity import mlflow_store as store
from raydensity.cohort_picture import draw, network_label
from raydensity.errors import one_line, redacted
from raydensity.ledger import KINDS, SECONDS, Ledger
from raydensity.measures.summary import unit_numbers
from raydensity.mlflow_store import COHORT, KIND, NETWORK
from raydensity.record import FACTORS, diverged

BATCH = 1000  # metrics that a tracking server takes at once
MOST_LEVELS = 50  # of a factor, that a sweep's run lists

PARENT, NAME, DIGEST = "mlflow.parentRunId", "mlflow.runName", "raydensity.record_sha256"
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
        [cohort] = record["cohort_id"].unique().to_pylist()
        twins = list(self._search(f"{store.of_kind('cohort')} and tags.`{COHORT}` = '{cohort}'"))
        digest = _digest(path, record["network_id"].to_pylist())
        if any(run.info.status == "FINISHED" and run.data.tags.get(DIGEST) == digest for run in twins):
            return
        for twin in twins:
            self._remove(twin, self._networks(f" and tags.`{PARENT}` = '{twin.info.run_id}'")[twin.info.run_id])
        self._write(path, record, digest)

    def catch_up(self, ledger: Ledger, wanted: set[str]) -> int:
        """Show every cohort of a ledger that holds a wanted network, whole and as the ledger has it; returns how many
        had to be written.

        Each of their networks is shown once: a run that another packing or another ledger left goes, unless it holds
        other networks too; then it keeps those.
        """
        others = {run.info.run_id: run for run in self._search(store.of_kind("cohort"))}
        below = self._networks()
        newest: dict[str, str] = {}
        for run in store.newest_last(run for run in others.values() if run.info.status == "FINISHED"):
            newest |= dict.fromkeys(store.network_ids(run), run.info.run_id)
        held: set[str] = set()
        late = 0
        # The ids alone: of half a million networks that stand there, as they mostly do, the rest need not be read.
        for path, rows in ledger.cohorts(["network_id", "cohort_id"]):
            ids = rows["network_id"].to_pylist()
            if wanted.isdisjoint(ids):
                continue
            digest = _digest(path, ids)
            holders = {newest.get(network, "") for network in ids}
            holder = holders.pop() if len(holders) == 1 else ""
            if holder in others and self._is_whole(others[holder], digest, ids, below[holder].values()):
                held.update(ids)
                del others[holder], below[holder]
                continue
            record = ledger.read(path)
            if record is None:  # damaged where it had not been read yet
                continue
            held.update(ids)
            record = record.filter(pc.is_in(record["network_id"], rows["network_id"].combine_chunks()))
            cohort = rows["cohort_id"][0].as_py()
            for twin in [run for run in others.values() if run.data.tags[COHORT] == cohort]:
                self._remove(others.pop(twin.info.run_id), below.pop(twin.info.run_id, {}))
            self._write(path, record, digest)
            late += 1
        for run_id, run in others.items():
            holds = store.network_ids(run)
            if holds & held and (holds <= held or run.info.status != "FINISHED"):
                self._remove(run, below.pop(run_id, {}))
        for networks in below.values():
            self._delete(run_id for run_id, network in networks.items() if network in held)
        return late

    def finish(self, *, done: int, complete: bool) -> None:
        """Close the sweep's run: FINISHED once all its networks are, else KILLED, to be taken up again."""
        self._log(self.sweep_run_id, _points({"networks_done": done}), {})
        self.client.set_terminated(self.sweep_run_id, "FINISHED" if complete else "KILLED")

    def _write(self, path: Path, record: pa.Table, digest: str) -> None:
        first, ids = record.slice(0, 1).to_pylist()[0], record["network_id"].to_pylist()
        title = cohort_title(first, len(ids))
        tags = {COHORT: first["cohort_id"], DIGEST: digest, **store.network_tags(ids)}
        run_id = self._create(title, self.sweep_run_id, "cohort", tags)
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / store.RECORD
            if pq.read_metadata(path).num_rows == len(ids):
                whole.write_bytes(path.read_bytes())
            else:
                pq.write_table(record, whole)
            size = whole.stat().st_size
            self.client.log_artifact(run_id, str(whole))
            picture = Path(folder) / "curves.png"
            draw(record, picture, title=title)
            self.client.log_artifact(run_id, str(picture))
        for row in record.to_pylist() if self.networks else _exported(record):
            own = self._track_network(row, run_id) if self.networks else run_id
            if row.get("exported_onnx"):
                self._log_model(row, own)
        spent = {key: pc.sum(record[key]).as_py() for key in SECONDS}
        shared = {key: first[key] for key in (*KINDS, "device") if first[key]}
        counts = {"networks": len(ids), "diverged": diverged(record), "record_bytes": size}
        self._log(run_id, _points(counts | spent), shared)
        self.client.set_terminated(run_id, "FINISHED")

    def _is_whole(self, run: Run, digest: str, ids: Collection[str], shown: Collection[str]) -> bool:
        """Whether a cohort's run shows a record, with its artifact and, where they are wanted, runs of its networks."""
        return (
            run.data.tags.get(DIGEST) == digest
            and (not self.networks or set(ids) <= set(shown))
            and store.artifact_size(self.client, run, store.RECORD) == run.data.metrics.get("record_bytes")
        )

    def _track_network(self, row: dict[str, Any], parent: str) -> str:
        # The column of names is narrow: first what tells a network from its neighbours in the cohort.
        name = f"{network_label(row)} ×{row['width']:g}"
        tags = {NETWORK: row["network_id"], "raydensity.status": row["status"]}
        run_id = self._create(name, parent, "network", tags)
        metrics = _points({key: row[key] for key in (*FINAL, *COUNTED)} | {"converged": float(row["converged"])})
        metrics += _points(unit_numbers(row))
        for curve in CURVES:
            metrics += _curve(f"training/{curve}", row["curve_epoch"] or [], row[f"curve_{curve}"] or [])
        percent = [round(100 * share) for share in row["prune_removed"] or []]
        for curve in ("accuracy", "loss"):
            metrics += _curve(f"pruning/validation_{curve}", percent, row[f"prune_validation_{curve}"] or [])
        self._log(run_id, metrics, {factor: row[factor] for factor in FACTORS.names if row[factor] is not None})
        self.client.set_terminated(run_id, "FINISHED")
        return run_id

    def _log_model(self, row: dict[str, Any], run_id: str) -> None:
        from raydensity.mlflow_models import log_model  # here: only where networks are exported

        log_model(self.client, self.experiment_id, run_id, row)

    def _create(self, name: str, parent: str, kind: str, tags: dict[str, str]) -> str:
        own = {NAME: name, PARENT: parent, KIND: kind, "raydensity.study": self.study}
        return self.client.create_run(self.experiment_id, tags=own | tags).info.run_id

    def _log(self, run_id: str, metrics: Sequence[Metric], params: dict[str, Any]) -> None:
        given = [Param(key, str(value)) for key, value in params.items()]
        for start in range(0, max(len(metrics), 1), BATCH):
            self.client.log_batch(run_id, metrics[start : start + BATCH], given if start == 0 else [])

    def _search(self, condition: str) -> Iterator[Run]:
        return store.search(self.client, self.experiment_id, condition)

    def _networks(self, condition: str = "") -> defaultdict[str, dict[str, str]]:
        """Network runs by the run they stand below: run id -> network id."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for run in self._search(store.of_kind("network") + condition):
            found[run.data.tags[PARENT]][run.info.run_id] = run.data.tags[NETWORK]
        return found

    def _remove(self, run: Run, networks: Iterable[str]) -> None:
        """Delete a cohort's run after those of its networks."""
        self._delete([*networks, run.info.run_id])

    def _delete(self, run_ids: Iterable[str]) -> None:
        """In MLflow a deleted run is hidden and can be restored. Its models go with it."""
        for run_id in run_ids:
            store.delete_models(self.client, self.experiment_id, run_id)
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
    levels: Mapping[str, Sequence],
    networks: bool,
) -> Tracker:
    """Make the database, the experiment and the sweep's run, or take up the run that the same command made before.

    `levels` are every factor's, sorted. ValueError, in one line, if the tracker cannot be reached. Call it once, before
    any worker.
    """
    with _reachable(uri):
        client = MlflowClient(uri)
        experiment_id = _experiment(client, uri, study)
        condition = f"{store.of_kind('sweep')} and tags.`raydensity.sweep_id` = '{sweep_id}'"
        runs = list(store.search(client, experiment_id, condition))
        now = datetime.now(UTC)
        if runs:
            run_id = runs[0].info.run_id
            client.update_run(run_id, status="RUNNING")
        else:
            name = f"{study} · {scale} · {now.astimezone():%Y-%m-%d %H:%M}"
            tags = {NAME: name, KIND: "sweep", "raydensity.sweep_id": sweep_id}
            tags |= {"raydensity.study": study, "raydensity.scale": scale}
            run_id = client.create_run(experiment_id, tags=tags).info.run_id
        # A parameter of a run cannot be changed, and one that was cut off while it was made may lack some.
        known = runs[0].data.params if runs else {}
        params = [Param(factor, _listed(own)) for factor, own in levels.items() if factor not in known]
        client.log_batch(run_id, _points({"networks": len(network_ids)}), params)
        with tempfile.TemporaryDirectory() as folder:
            cells = Path(folder) / store.CELLS
            pq.write_table(pa.table({"network_id": list(network_ids)}), cells)
            client.log_artifact(run_id, str(cells))
        client.log_batch(run_id, tags=[RunTag("raydensity.touched", now.isoformat(timespec="microseconds"))])
    return Tracker(uri, experiment_id, run_id, study, networks)


def _experiment(client: MlflowClient, uri: str, study: str) -> str:
    """The id of the study's experiment, which another sweep may make at the same moment."""
    found = client.get_experiment_by_name(study)
    if found is None:
        try:
            return client.create_experiment(study, _artifacts(uri, study))
        except MlflowException:
            found = client.get_experiment_by_name(study)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def cohort_title(row: dict[str, Any], networks: int) -> str:
    """Such as mlp ×0.5 · sgd · mnist · 20 networks, or mlp ×16 · snip · sgd · spiral · 414 networks."""
    parts = [f"{row['architecture']} ×{row['width']:g}", row["sparsity"], row["optimizer"], row["dataset"]]
    return " · ".join([*filter(None, parts), f"{networks:,} network{'s' if networks > 1 else ''}"])


def _exported(record: pa.Table) -> list[dict[str, Any]]:
    """The rows of networks that were exported."""
    if "exported_onnx" not in record.column_names:  # of before that column existed
        return []
    return record.filter(pc.is_valid(record["exported_onnx"])).to_pylist()


def _listed(levels: Sequence) -> str:
    """A factor's levels, or how many there are: MLflow cuts what is longer than 6,000 characters."""
    if len(levels) > MOST_LEVELS:
        return f"{len(levels):,} levels, {levels[0]} to {levels[-1]}"
    return ", ".join(map(str, levels))[:6000]


@contextlib.contextmanager
def _reachable(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise ValueError(f"--tracking-uri: {redacted(uri)} cannot be used ({one_line(error)})") from None


def _digest(path: Path, ids: Sequence[str]) -> str:
    """SHA-256 of a ledger file and of which networks in it count: a network in two files counts in one."""
    content = hashlib.sha256(path.read_bytes())
    content.update(",".join(ids).encode())
    return content.hexdigest()


def _artifacts(uri: str, study: str) -> str | None:
    """Files stand beside a database file; a tracking server knows its own place."""
    file = store.database(uri)
    return None if file is None else (file.parent / "mlruns" / study).as_uri()


def _points(values: Mapping[str, float | None]) -> list[Metric]:
    """Single values; what is not finite is left out: MLflow would show infinity as 1.8e308."""
    now = int(time.time() * 1000)
    return [Metric(key, value, now, 0) for key, value in values.items() if value is not None and math.isfinite(value)]


def _curve(key: str, steps: Sequence[int], values: Sequence[float]) -> list[Metric]:
    now = int(time.time() * 1000)
    points = zip(steps, values, strict=True)
    return [Metric(key, value, now, step) for step, value in points if value is not None and math.isfinite(value)]
