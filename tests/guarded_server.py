"""A real MLflow server on loopback, and before it a door that asks for user and password, as web servers do."""

from __future__ import annotations

import base64
import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from servers import Server, mlflow_server

SECONDS = 120  # for an answer


@contextlib.contextmanager
def running(folder: Path, *, user: str, password: str) -> Iterator[tuple[int, Server]]:
    """The port of the door, and the server; all it has is in the folder and stays."""
    known = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    store = f"sqlite:///{folder}/mlflow.db"
    with mlflow_server(store, folder / "artifacts", log=folder / "server.log") as (server, _):
        door = ThreadingHTTPServer(("127.0.0.1", 0), _door(server.port, known))
        serving = threading.Thread(target=door.serve_forever)
        serving.start()
        try:
            yield door.server_address[1], server
        finally:
            door.shutdown()
            serving.join()
            door.server_close()


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
