"""Pull a sweep out of MLflow: one row a network, whatever the number of cohorts."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import mlflow.artifacts
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from raydensity import mlflow_store as store
from raydensity.errors import one_line, redacted
from raydensity.record import SCHEMA


@dataclass(frozen=True)
class Runs:
    """One sweep and its networks.

    `networks` has the columns of `raydensity.record.SCHEMA` that were asked for, one row a network, ordered by network
    id so that no sum depends on how networks were packed into cohorts. `planned` is how many networks the sweep's grid
    has.
    """

    study: str
    scale: str
    sweep_id: str
    touched: str
    planned: int
    networks: pd.DataFrame


def pull(
    study: str,
    *,
    tracking_uri: str,
    scale: str | None = None,
    sweep: str | None = None,
    columns: Sequence[str] | None = None,
) -> Runs:
    """The latest sweep of a study, or the latest of that `scale`, or the one with the id `sweep`.

    Of the records their ids and these `columns` are read (None: all). A column that a record lacks, as one written by
    an older version may, arrives as if it had not been measured.

    Raises ValueError where the tracker cannot be reached, or knows no such study, sweep or networks.
    """
    check_reachable(tracking_uri)
    names = SCHEMA.names if columns is None else list(dict.fromkeys(["network_id", *columns]))
    schema = pa.schema([SCHEMA.field(name) for name in names])
    try:
        client = MlflowClient(tracking_uri)
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            raise ValueError(
                f"no runs of study {study!r} at {redacted(tracking_uri)}: run sweeps/run_all.py --study {study} first"
            )
        chosen = _choose_sweep(client, experiment.experiment_id, study, scale, sweep)
        cells = _read(chosen, store.CELLS, tracking_uri, ["network_id"])
        wanted = cells["network_id"].unique()
        finished = f"{store.of_kind('cohort')} and attributes.status = 'FINISHED'"
        cohorts = store.newest_last(store.search(client, experiment.experiment_id, finished))
        planned = set(wanted.to_pylist())
        # The newest first: of a network that several hold, the first row stays.
        holding = [run for run in reversed(cohorts) if _may_hold(run, planned)]
        records = [_read(run, store.RECORD, tracking_uri, names) for run in holding]
    except (MlflowException, SQLAlchemyError, ImportError) as error:  # the last where a database has no driver here
        raise ValueError(f"tracker {redacted(tracking_uri)} cannot be used: {one_line(error)}") from None
    tags = chosen.data.tags
    if not records:
        raise ValueError(f"sweep {tags['raydensity.sweep_id']} of {study} has no finished networks yet")
    # The schema leads, so that every column is there, with its type, whatever the records have.
    table = pa.concat_tables([schema.empty_table(), *records], promote_options="default")
    own = pc.is_in(table["network_id"], wanted)
    if not pc.all(own).as_py():  # it copies every list
        table = table.filter(own)
    if not len(table):
        raise ValueError(f"sweep {tags['raydensity.sweep_id']} of {study} has no finished networks yet")
    networks = as_frame(table)
    return Runs(
        study=study,
        scale=tags["raydensity.scale"],
        sweep_id=tags["raydensity.sweep_id"],
        touched=tags["raydensity.touched"],
        planned=len(wanted),
        networks=networks,
    )


def as_frame(records: pa.Table) -> pd.DataFrame:
    """Records as a frame, each network once (its first row), ordered by id; missing lists and binaries become empty."""
    frame = records.to_pandas().drop_duplicates("network_id").sort_values("network_id", ignore_index=True)
    for field in records.schema:
        many = pa.types.is_list(field.type) or pa.types.is_binary(field.type)
        if many and records[field.name].null_count:
            empty = b"" if pa.types.is_binary(field.type) else np.array([])
            frame[field.name] = [empty if value is None else value for value in frame[field.name]]
    return frame


def check_reachable(tracking_uri: str) -> None:
    """Raise ValueError where the SQLite file is not there or nothing answers at the server's address.

    MLflow itself would create the file, and would try a dead server for minutes.
    """
    parsed = urlparse(tracking_uri)
    path = store.database(tracking_uri)
    if path is not None:
        if not path.is_file():
            raise ValueError(f"no tracking database at {path}: give --tracking-uri or set MLFLOW_TRACKING_URI")
    elif parsed.scheme in ("http", "https"):
        try:
            port = parsed.port or (443 if parsed.scheme == "https" else 80)
            socket.create_connection((parsed.hostname or "", port), timeout=10).close()
        except OSError as error:
            raise ValueError(f"tracker {redacted(tracking_uri)} cannot be reached: {error}") from None
        except ValueError:  # which has a part of what should be a port in its words
            raise ValueError(f"tracker {redacted(tracking_uri)} cannot be reached: that is no URI") from None


def _choose_sweep(client: MlflowClient, experiment_id: str, study: str, scale: str | None, sweep: str | None) -> Run:
    # The tag `touched` is written last: a sweep without it was cut off while it was being opened.
    opened = f"{store.of_kind('sweep')} and tags.`raydensity.touched` != ''"
    sweeps = list(store.search(client, experiment_id, opened))
    tags = [run.data.tags for run in sweeps]
    fitting = [
        run
        for run, tag in zip(sweeps, tags, strict=True)
        if scale in (None, tag["raydensity.scale"]) and sweep in (None, tag["raydensity.sweep_id"])
    ]
    if not fitting:
        asked = " and ".join(f"{k} {v!r}" for k, v in (("scale", scale), ("id", sweep)) if v is not None) or "any id"
        known = ", ".join(sorted({f"{tag['raydensity.sweep_id']} ({tag['raydensity.scale']})" for tag in tags}))
        raise ValueError(f"study {study} has no sweep with {asked}; there are: {known or 'none'}")
    return max(fitting, key=lambda run: run.data.tags["raydensity.touched"])


def _may_hold(run: Run, networks: set[str]) -> bool:
    """Whether a cohort's run may hold one of the networks: it may where it does not say."""
    holds = store.network_ids(run)
    return not holds or not holds.isdisjoint(networks)


def _read(run: Run, name: str, tracking_uri: str, columns: list[str]) -> pa.Table:
    """Those of the columns that a parquet artifact has."""
    with _artifact(run, name, tracking_uri) as path:
        try:
            # The bytes are read before the folder of a download goes, and a plain file needs no dataset machinery.
            return pq.ParquetFile(path, memory_map=False).read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(
                f"{name} of run {run.info.run_id} cannot be read ({error}): run_all.py --sync rebuilds tracking"
            ) from error


@contextmanager
def _artifact(run: Run, name: str, tracking_uri: str) -> Iterator[Path]:
    """The artifact as a file here: the stored one where it is local (8 times as fast), else a download."""
    stored = store.artifact_folder(run)
    if stored is not None:
        yield stored / name
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(
            mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=name, dst_path=folder, tracking_uri=tracking_uri
            )
        )
