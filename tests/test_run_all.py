"""The command line: what it refuses, and what it says."""

import gzip
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from synthetic import new_store
from typer.testing import CliRunner

from raydensity.ledger import Ledger
from sweeps.run_all import app, studies

ROOT = Path(__file__).parents[1]
DENSITY = ["--study", "density"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder of the test's own, with an empty tracking store."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    new_store(tmp_path)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    """The one line with which the command refuses, before it has changed anything."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert not list(Path().glob("results/ledger/*/*.parquet"))
    return line


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]  # bound, but nobody listens


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "sparsity"], "--study: 'sparsity' is unknown; there is density, frivolous, odf2nna, sparsest"),
        (["--scale", "huge"], "--scale: 'huge' is unknown; it is quick, reduced, paper"),
        (["--set", "width"], "--set: 'width' is not FACTOR=LEVEL,LEVEL"),
        (["--set", "depth=3"], "no factor 'depth'; it has preprocessing, batch_size"),
        (["--set", "sparsity.width=1"], "'sparsity' is not among the studies that run: density"),
        (["--set", "density.width=wide"], "--set width: 'wide' is not a number (such as 0.1)"),
        (["--set", "initializer=zeros"], "initializer = 'zeros': Input should be 'glorot_uniform'"),
        (
            ["--set", "architecture=mlp", "--set", "optimizer=adam"],
            "no network of density has that combination",
        ),
        (["--set", "width=0.001"], "width 0.001 leaves layer fc1 of mlp empty"),
        (
            ["--set", "width=0.1", "--set", "width=0.5"],
            "--set width: given twice; write all its levels in one",
        ),
        (
            ["--set", "batch_size=5000"],
            "--set batch_size: 5000 is more than the 1151 training images of digits",
        ),
        (
            ["--set", "architecture=mlp", "--set", "unshared=true"],
            "--set unshared: no network that was chosen depends on it",
        ),
        (["--tracking-uri", "file:///x"], "is neither sqlite:///FILE nor http(s)://HOST:PORT"),
        (["--address", "localhost"], "--address: 'localhost' is not HOST:PORT"),
        (["--gpus-per-cohort", "0.25"], "--gpus-per-cohort: 0.25 cannot be had, Ray sees no GPU here"),
        (["--gpus-per-cohort", "2"], "--gpus-per-cohort: 2 is not between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments, message):
    assert message in refused(*DENSITY, *arguments)


def test_an_unwritable_out_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "--out: cannot write to" in refused("--out", tmp_path / "file")


def test_an_unreachable_tracker_is_refused_soon(closed_port):
    start = time.monotonic()
    assert "cannot be used" in refused("--tracking-uri", f"http://127.0.0.1:{closed_port}")
    assert time.monotonic() - start < 20


def test_the_tracker_of_the_environment_is_honoured(monkeypatch, closed_port):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port}")
    assert f"--tracking-uri: http://127.0.0.1:{closed_port} cannot be used" in refused()


def test_an_unreachable_cluster_is_refused_soon(closed_port):
    start = time.monotonic()
    assert f"no Ray cluster answers at 127.0.0.1:{closed_port}" in refused("--address", f"127.0.0.1:{closed_port}")
    assert time.monotonic() - start < 20


def test_the_cluster_of_the_environment_is_honoured(monkeypatch, closed_port):
    """As a submitted job finds it."""
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    assert f"no Ray cluster answers at 127.0.0.1:{closed_port}" in refused()


def test_missing_and_truncated_data_are_refused(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("RAYDENSITY_DATA", str(folder))
    arguments = [*DENSITY, "--scale", "reduced", "--set", "architecture=mlp"]
    assert str(folder) in refused(*arguments)
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (folder / f"{name}.gz").write_bytes(gzip.compress(bytes(1000))[:15])
    assert "train-images-idx3-ubyte" in refused(*arguments)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path):
    grid = ["--scale", "paper", "--set", "architecture=mlp"]
    result = invoke("--dry-run", *DENSITY, *grid, "--tracking-uri", "http://nowhere:1")
    assert result.exit_code == 0, result.output
    assert "500 networks, 0 of them done; 500 to train in" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db"]


def test_a_dry_run_says_that_more_follows_where_it_depends_on_results():
    grid = ["--set", "inputs=10000", "--set", "width=0.25", "--set", "initializer_factor=1", "--set", "optimizer=sgd"]
    result = invoke("--dry-run", "--study", "frivolous", "--scale", "reduced", *grid)
    assert result.exit_code == 0, result.output
    assert "More may follow when these are done" in result.stdout
    assert "More may follow" not in invoke("--dry-run", *DENSITY).stdout


def test_the_same_networks_are_the_same_sweep_however_they_are_typed(tmp_path):
    for levels in ("0.5,1", "1,0.5", "1.0,0.5,1"):
        result = invoke("--sync", "--study", "density", "--set", "architecture=mlp", "--set", f"width={levels}")
        assert result.exit_code == 1, result.output  # nothing is trained, so that there is no report
        assert "0 cohorts written to MLflow" in result.stdout
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("density")
    [run] = client.search_runs([experiment.experiment_id])
    assert run.data.params["width"] == "0.5, 1.0"
    assert run.data.params["architecture"] == "mlp"


def test_a_dry_run_on_a_damaged_ledger_names_the_file_and_leaves_it(tmp_path, caplog):
    ledger = Ledger(tmp_path / "results", "density")
    ledger.prepare()
    damaged = ledger.path("0" * 20)
    damaged.write_bytes(b"not parquet at all")
    result = invoke("--dry-run", *DENSITY, "--set", "architecture=mlp")
    assert result.exit_code == 0, result.output
    assert "40 networks, 0 of them done; 40 to train in" in result.stdout
    assert str(damaged) in caplog.text
    assert "kept as" not in caplog.text
    assert [path.name for path in ledger.folder.iterdir()] == [damaged.name]


def test_studies_are_listed_with_their_sizes():
    result = invoke("--list")
    assert result.exit_code == 0
    sizes = {line.split()[0]: line.split()[-3:] for line in result.stdout.splitlines()[1:]}
    assert sizes["density"] == ["60", "52", "1,500"]
    assert sizes["sparsest"][2] == "485,838"
    assert {"density", "sparsest"} <= set(studies())


def test_help_teaches_without_loading_anything_heavy():
    code = "import sys, sweeps.run_all; print(not {'ray', 'torch', 'mlflow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "True"
    text = invoke("--help").stdout
    assert "python sweeps/run_all.py --study density --scale reduced --dry-run" in text
