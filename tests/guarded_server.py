"""A real MLflow server on loopback, and before it a door that asks for user and password, as web servers do."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from object_store import free_port
from real_sweeps import wait_for

SECONDS = 300  # for the server to start, and for an answer


@contextlib.contextmanager
def running(folder: Path, *, user: str, password: str) -> Iterator[tuple[int, subprocess.Popen]]:
    """The port of the door, and the server; all it has is in the folder and stays."""
    inner = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(inner), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log)
    known = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    door = ThreadingHTTPServer(("127.0.0.1", 0), _door(inner, known))
    serving = threading.Thread(target=door.serve_forever)
    serving.start()
    try:
        wait_for(lambda: server.poll() is not None or _status(inner) == 200, SECONDS)
        assert server.poll() is None, (folder / "server.log").read_text()
        yield door.server_address[1], server
    finally:
        door.shutdown()
        serving.join()
        door.server_close()
        server.terminate()
        server.wait()


def _status(port: int) -> int:
    """Of the server's health; 0 where it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _door(inner: int, known: str) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers["Authorization"] != known:
                self.send_error(401)
                return
            own = {name: value for name, value in self.headers.items() if name not in ("Host", "Authorization")}
            connection = http.client.HTTPConnection("127.0.0.1", inner, timeout=SECONDS)
            try:
                connection.request(self.command, self.path, body, own)
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
            self.send_response(response.status)
            self.send_header("Content-Type", response.getheader("Content-Type", ""))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, *_: object) -> None:
            pass

    return Door
