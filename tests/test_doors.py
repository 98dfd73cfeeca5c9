"""What a real sweep lets others see and reach: passwords in what it writes, prints and starts, and where it listens."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import guarded_server
import matplotlib
import object_store
import processes
import pyarrow.parquet as pq
import pytest
from real_sweeps import ROOT
from servers import free_port

from analysis.runs import pull
from raydensity import command, mlflow_store, tracking

GRID = ["--study", "density", "--set", "architecture=mlp", "--set", "width=1", "--set", "max_epochs=1"]
SECRETS = {
    "MLflow's": f"{secrets.token_hex(8)}/@{secrets.token_hex(8)}",
    "AWS's": secrets.token_hex(20),
    "Ray's": secrets.token_hex(32),
}


def spellings(secret: str) -> list[bytes]:
    """As it is, as in a URI, and as in the header of a request."""
    return [secret.encode(), quote(secret, safe="").encode(), base64.b64encode(f"somebody:{secret}".encode())]


def told(content: bytes) -> set[str]:
    """Whose secrets are in it."""
    return {whose for whose, secret in SECRETS.items() if any(each in content for each in spellings(secret))}


def written(folder: Path) -> dict[str, set[str]]:
    """Whose secrets are in which files, columns of Parquet files included, which are compressed."""
    found = {}
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                content = path.read_bytes()
                if path.suffix == ".parquet":
                    content += str(pq.read_table(path).to_pydict()).encode()
                found[str(path.relative_to(folder))] = told(content)
        except FileNotFoundError:  # of a sweep that is running
            continue
    return {name: whose for name, whose in found.items() if whose}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_tells_no_secret_and_listens_on_loopback_alone(tmp_path):
    """With a password in the tracking URI, keys of an object store and a token of Ray: in no file that the sweep, its
    workers and its servers write, nothing that it prints, and no command line."""
    port = free_port()
    (tmp_path / "home").mkdir()
    (tmp_path / "served").mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary,  # sockets have short names
        object_store.running(port),
        guarded_server.running(tmp_path / "served", user="somebody", password=SECRETS["MLflow's"]) as (door, server),
    ):
        password = quote(SECRETS["MLflow's"], safe="")
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path / "home"),
            "MPLCONFIGDIR": matplotlib.get_cachedir(),
            **dict.fromkeys(("TMPDIR", "RAY_TMPDIR"), temporary),
            "MLFLOW_TRACKING_URI": f"http://somebody:{password}@127.0.0.1:{door}",
            "AWS_SECRET_ACCESS_KEY": SECRETS["AWS's"],
            "RAY_AUTH_TOKEN": SECRETS["Ray's"],
        }
        arguments = [*GRID, "--out", tmp_path / "results", "--ledger", object_store.uri(port, "ledger")]
        with (tmp_path / "printed").open("w") as printed:
            driver = subprocess.Popen(
                [sys.executable, ROOT / "sweeps" / "run_all.py", *arguments],
                cwd=tmp_path, env=environment, stdout=printed, stderr=printed,
            )  # fmt: skip
        reached, lines, leaks = set(), set(), {}
        try:
            while driver.poll() is None:
                everyone = [*processes.family(driver.pid), *processes.family(server.process.pid)]
                lines |= {processes.command_line(process) for process in everyone}
                reached |= processes.listening(everyone)
                leaks |= written(Path(temporary))  # Ray's logs, and Tune's state, which goes with the sweep
                time.sleep(1)
        finally:
            driver.kill()
            driver.wait()
        leaks |= written(tmp_path)
    output = (tmp_path / "printed").read_text()
    assert driver.returncode == 0, output
    assert leaks == {}
    assert not told("\n".join(lines).encode())
    assert any(line.startswith("ray::ImplicitFunc") for line in lines)  # workers were seen
    assert len(reached) > 3
    assert all(address.is_loopback for address, _ in reached), reached
    assert f"MLflow: http://127.0.0.1:{door}" in output
    assert "warning" not in output  # the workers knew the password
    assert list((tmp_path / "served").rglob("record.parquet"))
    assert not (tmp_path / "home" / ".ray").exists()  # in which Ray would keep a token for all to read


@pytest.fixture
def environment(monkeypatch):
    """One that code may change."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    monkeypatch.setattr(os, "environ", clean)
    return clean


def test_a_password_moves_from_the_uri_to_where_mlflow_looks_for_it(environment):
    environment["MLFLOW_TRACKING_URI"] = "https://some%40body:pass%2Fword@tracker:5000/below?a=b"
    assert command.tracking_uri(None) == "https://tracker:5000/below?a=b"
    assert environment["MLFLOW_TRACKING_USERNAME"] == "some@body"
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "pass/word"
    assert environment["MLFLOW_TRACKING_URI"] == "https://tracker:5000/below?a=b"
    assert command.tracking_uri(None) == "https://tracker:5000/below?a=b"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://somebody:SECRET@tracker:5000", "does not belong on a command line"),
        ("postgresql://somebody:SECRET@host/database", "does not belong on a command line"),
        ("http://somebody:SEC/SECRET@tracker:5000", "is no URI"),
        ("http://somebody:SECRET@[tracker:5000", "is no URI"),
        ("ftp://host/?password=SECRET", "is neither sqlite"),
    ],
)
def test_a_uri_that_was_given_is_refused_without_its_password(environment, uri, said):
    with pytest.raises(ValueError, match=f"^--tracking-uri: .*{said}") as caught:
        command.tracking_uri(uri)
    assert "SEC" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "http://somebody:SECRET@127.0.0.1:9",
        "http://somebody:SEC/SECRET@127.0.0.1:9",
        "postgresql://somebody:SECRET@127.0.0.1:9/database",
        "postgresql+nothing://somebody:SECRET@127.0.0.1:9/database?password=SECRET",
    ],
)
@pytest.mark.parametrize("use", [tracking.check, lambda uri: pull("density", tracking_uri=uri)])
def test_a_store_that_cannot_be_used_is_told_without_its_password(uri, use):
    """By those who call from Python, and hand over a URI as it is: in the words of MLflow, requests and SQLAlchemy."""
    with pytest.raises(ValueError, match="cannot be") as caught:
        use(uri)
    assert "SEC" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would have these words, too


def test_the_default_uri_has_no_password_of_its_own(environment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mlflow_store.chosen_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert "MLFLOW_TRACKING_PASSWORD" not in environment
