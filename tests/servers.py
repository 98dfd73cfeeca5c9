"""MLflow's tracking server and PostgreSQL, the real ones, on loopback for a test."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class Server:
    """A program that listens on a port of its own, and can be killed and started again."""

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        *,
        user: str | None = None,
        log: Path = Path(os.devnull),
        **environment: str,
    ):
        self.command, self.port, self.user, self.log = command, port, user, log
        self.environment = {**os.environ, **environment}
        self.start()

    def start(self) -> None:
        """Returns when it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                user=self.user,
                cwd="/",
                start_new_session=True,  # to be killed with all of its processes
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 240
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            assert self.process.poll() is None, f"{self.command} has ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        self.process.wait()


@contextlib.contextmanager
def mlflow_server(backend: str, artifacts: Path, *, log: Path = Path(os.devnull)) -> Iterator[tuple[Server, str]]:
    """A tracking server on this database, all artifacts through it, and its URI."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", backend, "--artifacts-destination", str(artifacts)]
    server = Server(command, port, log=log, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def postgresql() -> Iterator[tuple[Server, str]]:
    """A database server of Debian's package with an empty database, and the URI of that for SQLAlchemy."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # It refuses to run as root, and another user cannot look into pytest's folders.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    shutil.chown(folder, user)
    port = free_port()
    make = [programs / "initdb", "--username=mlflow", "--auth=trust", "--no-sync", folder / "data"]
    subprocess.run(make, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
    server = Server([programs / "postgres", "-D", folder / "data", *options], port, user=user)
    try:
        wait = [programs / "psql", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "-d", "postgres", "-c", "select"]
        while subprocess.run(wait, cwd="/", capture_output=True).returncode:  # it listens before it is ready
            assert server.process.poll() is None
            time.sleep(0.2)
        yield server, f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
    finally:
        server.stop(signal.SIGINT)  # its processes share memory that only the first one gives back
        shutil.rmtree(folder)
