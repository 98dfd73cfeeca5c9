"""Whole files: on this machine, and in a folder that machines share by URI (s3://, gs://, abfs://, file://).

Credentials are those of the environment, as the store's own tools take them; a URI that has some is refused, since
commands are seen by others and kept in histories.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyarrow import ArrowException
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem

from raydensity.errors import one_line, redacted

LOCK = "driver.lock"
RENEWED = 15.0  # seconds between two signs of life of a driver
EXPIRED = 60.0  # after which one without is taken for dead
SETTLED = 2.0  # for which a new driver waits whether another took the lock at the same time


class Unreachable(ValueError):
    """The store does not answer, or refuses."""


class SharedFolder:
    """Files by name below a URI. A file appears whole or not at all, and replaces what had its name."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        with self._reachable():
            self._system, self._folder = FileSystem.from_uri(self.uri)

    def sizes(self) -> dict[str, int]:
        """The files that stand directly in the folder, and their bytes."""
        with self._reachable():
            found = self._system.get_file_info(FileSelector(self._folder, allow_not_found=True))
        return {info.base_name: info.size for info in found if info.type == FileType.File}

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        with self._reachable():
            if self._info(name).type == FileType.NotFound:
                return None
            with self._system.open_input_stream(self._path(name)) as file:
                return file.read()

    def write(self, name: str, content: bytes) -> None:
        """In an object store a file appears when its last byte has come."""
        with self._reachable():
            if isinstance(self._system, LocalFileSystem):
                path = Path(self._path(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                place(path, content)
                return
            with self._system.open_output_stream(self._path(name)) as file:
                file.write(content)

    def remove(self, name: str) -> None:
        """Does nothing where there is none."""
        with self._reachable():
            if self._info(name).type != FileType.NotFound:
                self._system.delete_file(self._path(name))

    def meet(self, folder: Path, suffix: str) -> None:
        """Have the files of a suffix here and there: what only one side has, the other gets; where they differ in size
        this one's are right."""
        here = {path.name: path.stat().st_size for path in folder.glob(f"*{suffix}")}
        there = {name: size for name, size in self.sizes().items() if name.endswith(suffix)}
        for name in sorted(there):
            if here.get(name) != there[name]:
                content = self.read(name)
                if content is not None:
                    place(folder / name, content)
        for name in sorted(here.keys() - there.keys()):
            self.write(name, (folder / name).read_bytes())

    @contextlib.contextmanager
    def held(self, token: str) -> Iterator[None]:
        """Hold the folder as its only driver, which gives a sign of life every RENEWED seconds.

        ValueError if another has given one in the last EXPIRED seconds, by the clock of the store.
        """
        if abs(self.probe() - self._renewed()) < EXPIRED:  # one of the future is of before that clock was set back
            raise ValueError(
                f"--ledger: another sweep is running on {self.uri}, or was killed in the last {EXPIRED:g} seconds; "
                "wait for it, stop it, or use another folder"
            )
        self.write(LOCK, token.encode())
        time.sleep(SETTLED)
        if not self.is_held(token):
            raise ValueError(f"--ledger: another sweep has begun on {self.uri} at the same moment")
        stop = threading.Event()
        alive = threading.Thread(target=self._renew, args=(token, stop), daemon=True)
        alive.start()
        try:
            yield
        finally:
            stop.set()
            alive.join()
            with contextlib.suppress(Unreachable):
                if self.is_held(token):
                    self.remove(LOCK)

    def is_held(self, token: str) -> bool:
        return self.read(LOCK) == token.encode()

    def _renew(self, token: str, stop: threading.Event) -> None:
        while not stop.wait(RENEWED):
            with contextlib.suppress(Unreachable):  # what is written meanwhile finds out whether it is still held
                if not self.is_held(token):
                    return
                self.write(LOCK, token.encode())

    def _renewed(self) -> float:
        """When a driver gave a sign of life, in seconds of the store's clock; long ago where there is none."""
        with self._reachable():
            info = self._info(LOCK)
        return -EXPIRED if info.type == FileType.NotFound else info.mtime.timestamp()

    def probe(self) -> float:
        """Write a file and remove it again; the time by the clock of the store: those of two machines may be minutes
        apart."""
        name = f".{secrets.token_hex(4)}.now"
        self.write(name, b"now")
        with self._reachable():
            written = self._info(name).mtime
        self.remove(name)
        return written.timestamp()

    def _info(self, name: str) -> FileInfo:
        return self._system.get_file_info(self._path(name))

    def _path(self, name: str) -> str:
        assert "/" not in name
        return f"{self._folder}/{name}"

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ArrowException) as error:
            raise Unreachable(f"--ledger: {redacted(self.uri)} cannot be used ({one_line(error)})") from None


def check(uri: str) -> None:
    """ValueError, in one line, for what is no URI or has credentials in it, and where nothing can be written."""
    parts = urlsplit(uri)
    if redacted(uri) != uri:
        raise ValueError(
            "--ledger: credentials do not belong into a URI, nor an @; the store's own tools say where they do"
        )
    if len(parts.scheme) < 2 or not (parts.netloc or parts.path):
        raise ValueError(f"--ledger: {uri!r} is no URI such as s3://BUCKET/FOLDER; --out takes folders of this machine")
    if ".." in unquote(parts.path).split("/"):
        raise ValueError(f"--ledger: {uri!r} must not climb out of its folder with ..")
    SharedFolder(uri).probe()


def below(uri: str, name: str) -> str:
    """The URI of a folder within another; options of the URI stay."""
    parts = urlsplit(uri)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def place(path: Path, content: bytes) -> None:
    """Write a file of this machine: whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        beside.unlink(missing_ok=True)
