"""The ledger: which networks are finished, and everything measured about them. The truth; MLflow is a view of it.

One parquet file a cohort, `<out>/ledger/<study>/<cohort_id>.parquet`, in the columns of `record.SCHEMA`. A file
appears whole or not at all (storage.py) and carries checksums of its pages, so that a reader knows what to trust.

A shared folder, `<URI>/<study>`, holds the same files for other machines, and outlives this one: each file goes there
once it is safe here, and both are brought in step when a command begins and when it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raydensity import record
from raydensity.errors import one_line
from raydensity.storage import SharedFolder, Unreachable, below, place

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
    `shared` is the URI of a folder that has those of all studies. Raises ValueError where it does not answer.
    """

    def __init__(self, out: Path, study: str, *, readonly: bool = False, shared: str = "") -> None:
        self.readonly = readonly
        self.study = study
        self.shared = SharedFolder(below(shared, study)) if shared else None
        if readonly and self.shared:  # a copy of its own, since nothing may change
            out = Path(tempfile.mkdtemp(prefix="raydensity-"))
            weakref.finalize(self, shutil.rmtree, out, ignore_errors=True)
        self.out = out.absolute()
        self.folder = self.out / "ledger" / study
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

    def meet(self) -> None:
        """Bring this machine's files and the shared ones in step; nothing to do where none are shared."""
        if self.shared:
            self.prepare()
            self.shared.meet(self.folder, ".parquet")

    @contextlib.contextmanager
    def driver(self) -> Iterator[str]:
        """Hold the ledger as its only driver; yields the token that `write` asks for.

        ValueError if another driver holds it. The lock goes with the process, however that ends; that of a shared
        folder some time later.
        """
        with self._lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(
                    f"--out: another sweep is running on {self.folder}; wait for it, stop it, or use another --out"
                ) from None
            token = secrets.token_hex(8)
            try:
                file.truncate(0)
                file.write(token)
                file.flush()
            except OSError as error:
                raise ValueError(f"--out: cannot write to {self.folder} ({error.strerror})") from None
            with self.shared.held(token) if self.shared else contextlib.nullcontext():
                self.meet()  # with what another driver has brought since
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
        if owner is not None and not self._is_driver(owner):
            raise Superseded(f"{self.folder} has another driver")
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd", write_page_checksum=True)
        path = self.path(cohort)
        place(path, content.getvalue())
        return path

    def share(self, path: Path) -> None:
        """Have a file of this ledger in the shared folder, if there is one; Unreachable where that is away."""
        if self.shared:
            self.shared.write(path.name, path.read_bytes())

    def _is_driver(self, token: str) -> bool:
        if self._lock.read_text() != token:
            return False
        try:
            return self.shared is None or self.shared.is_held(token)
        except Unreachable:  # no reason to lose what was trained
            return True

    def read(self, path: Path, columns: Sequence[str] = record.SCHEMA.names) -> pa.Table | None:
        """These columns of one file, nulls where it was written before they existed, and every page of them verified.

        None, with a warning, where it is damaged: it is then moved aside, unless the ledger is read only. Where the
        shared folder has another one it takes its place. ValueError if another version of raydensity wrote it.
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
            if self._replaced(path):
                return self.read(path, columns)
            reason = one_line(error)
            if self.readonly:
                log.warning("%s is damaged (%s): its networks count as not done", path, reason)
                return None
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            if self.shared:
                self.shared.remove(path.name)
            log.warning("%s is damaged (%s): its networks run again, it is kept as %s", path, reason, aside.name)
            return None
        if versions != {record.RECORD_VERSION}:
            raise ValueError(
                f"--out: {path} has record version {sorted(versions)}, this raydensity writes {record.RECORD_VERSION}; "
                "use another --out"
            )
        return record.completed(table, columns)

    def _replaced(self, path: Path) -> bool:
        """Whether the shared folder had another content for a file, which it now has."""
        content = self.shared.read(path.name) if self.shared else None
        if content is None or content == path.read_bytes():
            return False
        place(path, content)
        return True

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
