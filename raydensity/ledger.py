"""The ledger: which networks are finished, and everything measured about them. The truth; MLflow is a view of it.

One parquet file a cohort, `<out>/ledger/<study>/<cohort_id>.parquet`, in the columns of `record.SCHEMA`. A file
appears whole or not at all (written beside, synced, renamed) and carries checksums of its pages, so that a reader knows
what to trust.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raydensity import record
from raydensity.errors import one_line

log = logging.getLogger(__name__)

# What deciding, estimating and summing up need: 2 % of the bytes of a sparse network, whose curves stay in the files.
KINDS = ["dataset", "inputs", "samples", "architecture", "optimizer", "momentum", "sparsity", "width"]
SECONDS = ["seconds_training", "seconds_pruning", "seconds_measuring"]
SUMMARY = [
    "network_id",
    "cohort_id",
    *KINDS,
    "status",
    "converged",
    "epochs",
    "task",
    "validation_accuracy",
    "validation_loss",
    *SECONDS,
    "device",
]


class Superseded(RuntimeError):
    """Another driver has taken the ledger over: what this one's workers still bring is refused."""


class Ledger:
    """The finished cohorts of one study.

    Reading and writing need no lock: files are never changed. `driver()` keeps two drivers off the same ledger.
    """

    def __init__(self, out: Path, study: str, *, readonly: bool = False) -> None:
        self.readonly = readonly
        self.folder = out.absolute() / "ledger" / study
        self.checkpoints = self.folder / "checkpoints"
        self.failures = self.folder / "failures.txt"  # the last sweep's errors in full
        self._lock = self.folder / "driver.lock"

    def prepare(self) -> None:
        """Make the folder; ValueError if nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".{secrets.token_hex(4)}.writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ValueError(f"--out: cannot write to {self.folder} ({error.strerror})") from None

    @contextlib.contextmanager
    def driver(self) -> Iterator[str]:
        """Hold the ledger as its only driver; yields the token that `write` asks for.

        ValueError if another driver holds it. The lock goes with the process, however that ends.
        """
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"--out: another sweep is running on {self.folder}; wait for it, stop it, or use another --out"
                ) from None
            token = secrets.token_hex(8)
            file.truncate(0)
            file.write(token)
            file.flush()
            yield token

    def path(self, cohort: str) -> Path:
        return self.folder / f"{cohort}.parquet"

    def write(self, table: pa.Table, *, owner: str | None = None) -> Path:
        """Keep a cohort's record, all of it or nothing; returns its file.

        `owner` is the token of the driver that asked for it. Superseded if another driver has the ledger by now:
        workers outlive a killed driver by seconds, and their networks are being trained again already.
        """
        assert set(table.column_names) <= set(record.SCHEMA.names), "a column that is not in the schema would be lost"
        table = record.completed(table)
        [cohort] = table["cohort_id"].unique().to_pylist()
        if owner is not None and self._lock.read_text() != owner:
            raise Superseded(f"{self.folder} has another driver")
        target = self.path(cohort)
        beside = self.folder / f".{cohort}.{secrets.token_hex(4)}.tmp"
        try:
            with beside.open("wb") as file:
                pq.write_table(table, file, compression="zstd", write_page_checksum=True)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        finally:
            beside.unlink(missing_ok=True)
        return target

    def read(self, path: Path, columns: Sequence[str] = record.SCHEMA.names) -> pa.Table | None:
        """These columns of one file, nulls where it was written before they existed, and every page of them verified.

        None, with a warning, where it is damaged: it is then moved aside, unless the ledger is read only. ValueError if
        another version of raydensity wrote it.
        """
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                known = {*columns, "record_version"}.intersection(file.schema_arrow.names)
                table = file.read([name for name in record.SCHEMA.names if name in known])
            table.validate(full=True)
            versions = set(table["record_version"].unique().to_pylist())
        except (pa.ArrowException, OSError, KeyError) as error:
            if getattr(error, "errno", None):  # the machine's fault, not the file's
                raise ValueError(f"--out: {path} cannot be read ({one_line(error)})") from None
            reason = one_line(error)
            if self.readonly:
                log.warning("%s is damaged (%s): its networks count as not done", path, reason)
                return None
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            log.warning("%s is damaged (%s): its networks run again, it is kept as %s", path, reason, aside.name)
            return None
        if versions != {record.RECORD_VERSION}:
            raise ValueError(
                f"--out: {path} has record version {sorted(versions)}, this raydensity writes {record.RECORD_VERSION}; "
                "use another --out"
            )
        return record.completed(table, columns)

    def cohorts(self, columns: Sequence[str] = record.SCHEMA.names) -> Iterator[tuple[Path, pa.Table]]:
        """Every sound file with its record, or these columns of it (`network_id` among them), by name.

        A network in two files counts in the first alone. Of a damaged file only what is read can be found out.
        """
        seen: set[str] = set()
        for path in sorted(self.folder.glob("*.parquet")):
            table = self.read(path, columns)
            if table is None:
                continue
            ids = table["network_id"].to_pylist()
            fresh = [network not in seen for network in ids]
            seen.update(ids)
            yield path, table if all(fresh) else table.filter(pa.array(fresh))

    def summary(self, *, whole: bool = False) -> pa.Table:
        """One row a finished network (diverged ones are finished), the columns of SUMMARY.

        `whole` verifies all the other columns, too: a command's first look at the ledger, before it plans.
        """
        # 500,000 sparse networks (0.8 GB) take a second, and 4 s as a whole: little enough, once a command, for a
        # network with a damaged curve to run again now and not to be missed when MLflow is rebuilt.
        columns = record.SCHEMA.names if whole else SUMMARY
        empty = record.SCHEMA.empty_table().select(SUMMARY)
        return pa.concat_tables([empty, *(table.select(SUMMARY) for _, table in self.cohorts(columns))])

    def finished_ids(self) -> set[str]:
        """The ids of the finished networks: less than a second for 500,000."""
        return {network for _, table in self.cohorts(["network_id"]) for network in table["network_id"].to_pylist()}

    def bytes_per_network(self, finished: pa.Table) -> float | None:
        """Mean size on disk of a row of `finished`, the summary; None while it has none."""
        sound = set(finished["cohort_id"].unique().to_pylist())
        size = sum(path.stat().st_size for path in self.folder.glob("*.parquet") if path.stem in sound)
        return size / finished.num_rows if size else None

    def drop_checkpoints(self, network_ids: Iterable[str]) -> None:
        """Remove what was kept for going on with networks that are finished now."""
        finished = set(network_ids)
        for path in self.checkpoints.glob("*"):
            if path.name.partition(".")[0] in finished:
                path.unlink(missing_ok=True)
