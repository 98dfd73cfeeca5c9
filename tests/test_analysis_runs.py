import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from mlflow import MlflowClient
from servers import mlflow_server
from synthetic import grid, network, new_store, records, write_sweep
from typer.testing import CliRunner

from analysis import analyse, reports
from analysis.__main__ import main
from analysis.runs import pull
from raydensity import mlflow_store, tracking
from raydensity.command import tracking_uri
from raydensity.record import SCHEMA


def test_the_commands_help_names_every_study_that_has_an_analysis():
    app = typer.Typer(rich_markup_mode=None)
    app.command()(main)
    words = CliRunner().invoke(app, ["--help"]).output.replace(",", " ").replace(".", " ").split()
    assert {"density", "frivolous", "odf2nna", "sparsest"} <= set(reports()) <= set(words)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two sweeps of the study "density", quick and then reduced, that share the networks of width 0.5."""
    folder = tmp_path_factory.mktemp("store")
    uri = new_store(folder)
    quick = [network(spec) for spec in grid(widths=(0.1, 0.5))]
    shared = [row for row in quick if row["width"] == 0.5]
    new = [network(spec) for spec in grid(widths=(1,))]
    unfinished = ["f" * 20]
    first = write_sweep(uri, records(quick, cohort_size=8), scale="quick")
    second = write_sweep(
        uri,
        records(new, cohort_size=3),
        scale="reduced",
        planned=[*(row["network_id"] for row in shared), *unfinished],
    )
    return uri, first, second


def test_the_latest_sweep_with_its_networks_wherever_they_were_trained(store):
    uri, _, second = store
    runs = pull("density", tracking_uri=uri)
    assert (runs.sweep_id, runs.scale, runs.planned) == (second, "reduced", 17)
    assert sorted(runs.networks["width"]) == [0.5] * 8 + [1.0] * 8
    assert runs.networks["network_id"].is_monotonic_increasing
    assert runs.networks["network_id"].is_unique


def test_records_arrive_whole(store):
    uri, first, _ = store
    frame = pull("density", tracking_uri=uri, sweep=first).networks.set_index("network_id")
    spec = grid(widths=(0.1,))[3]
    for column, value in network(spec).items():
        if column in ("network_id", "cohort_id", "overlap", "activations"):
            continue
        np.testing.assert_array_equal(frame.loc[spec.id, column], value, err_msg=column)


@pytest.mark.parametrize(("choice", "index"), [({"scale": "quick"}, 1), ({"scale": "reduced"}, 2)])
def test_scale_chooses(store, choice, index):
    assert pull("density", tracking_uri=store[0], **choice).sweep_id == store[index]


def test_touching_a_sweep_again_makes_it_the_latest(store, tmp_path):
    uri = new_store(tmp_path)
    one = [network(spec) for spec in grid(widths=(1,), data_seeds=[0])]
    other = [network(spec) for spec in grid(widths=(2,), data_seeds=[0])]
    first = write_sweep(uri, records(one))
    write_sweep(uri, records(other))
    assert write_sweep(uri, records(one)) == first
    assert pull("density", tracking_uri=uri).sweep_id == first


def test_cohorts_that_are_not_finished_do_not_count(tmp_path):
    uri = new_store(tmp_path)
    rows = [network(spec) for spec in grid(widths=(1,))]
    write_sweep(uri, records(rows, cohort_size=4))
    client = MlflowClient(uri)
    [experiment] = client.search_experiments(filter_string="name = 'density'")
    runs = client.search_runs([experiment.experiment_id], "tags.`raydensity.kind` = 'cohort'")
    client.set_terminated(runs[0].info.run_id, "FAILED")
    assert len(pull("density", tracking_uri=uri).networks) == 4
    client.set_terminated(runs[1].info.run_id, "KILLED")
    with pytest.raises(ValueError, match="no finished networks"):
        pull("density", tracking_uri=uri)


def test_a_network_in_two_cohorts_counts_once(tmp_path):
    uri = new_store(tmp_path)
    rows = [network(spec) for spec in grid(widths=(1,))]
    write_sweep(uri, records(rows, cohort_size=8) + records(rows, cohort_size=3))
    assert len(pull("density", tracking_uri=uri).networks) == 8


def test_of_a_network_in_two_cohorts_the_newer_counts(tmp_path):
    uri = new_store(tmp_path)
    specs = grid(widths=(1,))
    for accuracy, cohort_size in ((0.25, 3), (0.5, 8), (0.75, 2)):
        rows = [network(spec, validation_accuracy=accuracy) for spec in specs]
        write_sweep(uri, records(rows, cohort_size=cohort_size))
        assert set(pull("density", tracking_uri=uri).networks["validation_accuracy"]) == {accuracy}


def test_a_lost_record_of_other_networks_does_no_harm(tmp_path):
    uri = new_store(tmp_path)
    write_sweep(uri, records([network(spec) for spec in grid(widths=(2,))]))
    next(tmp_path.rglob("record.parquet")).unlink()
    write_sweep(uri, records([network(spec) for spec in grid(widths=(1,))]))
    assert len(pull("density", tracking_uri=uri).networks) == 8


def test_a_folder_whose_name_looks_like_a_uri(tmp_path, monkeypatch):
    folder = tmp_path / "a %20#b"
    folder.mkdir()
    new_store(folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = tracking_uri(None)
    tracking.check(uri)
    write_sweep(uri, records([network(spec) for spec in grid(widths=(1,))]))
    assert list((folder / "mlruns").rglob("record.parquet"))
    for same in (uri, mlflow_store.default_uri()):
        assert len(pull("density", tracking_uri=same).networks) == 8
    (folder / "mlflow.db").unlink()
    assert f"no tracking database at {folder / 'mlflow.db'}" in refused(study="density", tracking_uri=uri)


def test_the_analysis_loads_nothing_that_trains():
    modules = "analysis.runs, analysis.density.report, analysis.sparsest.report"
    code = f"import sys, {modules}; print({{'ray', 'torch'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_missing_lists_arrive_empty(tmp_path):
    uri = new_store(tmp_path)
    lists = ["prune_removed", "prune_weights_left", "prune_validation_accuracy", "prune_validation_loss"]
    bare = dict.fromkeys([*lists, "overlap", "activations", "correctness"])
    write_sweep(uri, records([network(spec, **bare) for spec in grid(widths=(1,))]))
    row = pull("density", tracking_uri=uri).networks.iloc[0]
    assert [len(row[column]) for column in bare] == [0] * 7


def test_columns_that_are_asked_for_arrive_alone(store):
    uri, first, _ = store
    whole = pull("density", tracking_uri=uri, sweep=first).networks
    some = pull("density", tracking_uri=uri, sweep=first, columns=["width", "overlap"]).networks
    assert list(whole.columns) == SCHEMA.names
    pd.testing.assert_frame_equal(some, whole[["network_id", "width", "overlap"]])


@pytest.mark.parametrize("columns", [None, ["overlap", "test_accuracy", "width"]])
def test_a_column_that_older_records_lack_arrives_empty(tmp_path, columns):
    uri = new_store(tmp_path)
    old, new = (records([network(spec) for spec in grid(widths=(width,))]) for width in (1, 2))
    write_sweep(uri, [*(table.drop_columns(["test_accuracy", "overlap"]) for table in old), *new])
    frame = pull("density", tracking_uri=uri, columns=columns).networks
    lacking = frame["width"] == 1
    assert lacking.sum() == 8
    assert list(frame["test_accuracy"].isna()) == list(lacking)
    assert list(frame["overlap"].map(len) == 0) == list(lacking)


@pytest.mark.slow
def test_a_tracking_server_gives_the_same_networks(tmp_path, store):
    rows = [network(spec) for spec in grid(widths=(0.1, 0.5))]
    with mlflow_server(new_store(tmp_path), tmp_path / "artifacts") as (_, uri):
        sweep = write_sweep(uri, records(rows, cohort_size=8), scale="quick")
        there = pull("density", tracking_uri=uri)
    here = pull("density", tracking_uri=store[0], sweep=store[1])
    assert there.sweep_id == sweep == here.sweep_id
    assert there.networks["validation_accuracy"].tolist() == here.networks["validation_accuracy"].tolist()
    assert there.networks["correctness"].tolist() == here.networks["correctness"].tolist()


def refused(**arguments):
    with pytest.raises(ValueError, match=r"\S") as caught:
        pull(**arguments)
    [line] = str(caught.value).splitlines()
    return line


def test_bad_input_is_one_line(store, tmp_path):
    uri, first, second = store
    assert "no runs of study 'frivolous'" in refused(study="frivolous", tracking_uri=uri)
    line = refused(study="density", tracking_uri=uri, sweep="0123")
    assert "no sweep with id '0123'" in line
    assert first in line
    assert second in line
    assert "scale 'paper'" in refused(study="density", tracking_uri=uri, scale="paper")
    assert "scale 'reduced' and id" in refused(study="density", tracking_uri=uri, scale="reduced", sweep=first)
    missing = tmp_path / "none.db"
    assert "no tracking database" in refused(study="density", tracking_uri=f"sqlite:///{missing}")
    assert not missing.exists()
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, " * 100)
    assert "cannot be used" in refused(study="density", tracking_uri=f"sqlite:///{broken}")
    start = time.monotonic()
    assert "cannot be reached" in refused(study="density", tracking_uri="http://127.0.0.1:9")
    assert time.monotonic() - start < 5
    assert "cannot be used" in refused(study="density", tracking_uri="carrier-pigeon://loft")


def test_a_record_that_is_gone_or_cut_names_the_run(store, tmp_path):
    uri = new_store(tmp_path)
    write_sweep(uri, records([network(spec) for spec in grid(widths=(1,))]))
    [path] = tmp_path.rglob("record.parquet")
    path.write_bytes(path.read_bytes()[:500])
    assert f"record.parquet of run {path.parents[1].name}" in refused(study="density", tracking_uri=uri)
    path.unlink()
    assert "--sync" in refused(study="density", tracking_uri=uri)


def test_default_tracking_uri(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_store.default_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert mlflow_store.default_uri() == "http://tracker:5000"


def command(*arguments, cwd):
    root = Path(__file__).parents[1]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | {"PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-m", "analysis", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_the_command_line_writes_the_report_to_its_default_place(store, tmp_path):
    shutil.copy(store[0].removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    done = command("density", "--scale", "quick", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(os.path.join("results", "report", "density", "report.html"))
    folder = tmp_path / "results" / "report" / "density"
    assert (folder / "report.html").stat().st_size > 100_000
    assert {path.name for path in (folder / "tables").iterdir()} >= {"parameters.csv", "effective_density.csv"}
    assert "Warning" not in done.stderr


def test_bad_input_on_the_command_line_exits_with_2(store, tmp_path):
    done = command("density", "--tracking-uri", store[0], "--sweep", "0123", cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: study density has no sweep with id '0123'")


def test_an_out_that_cannot_be_written_and_a_study_without_analysis_are_refused(store, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot write the report to"):
        analyse("density", out=tmp_path / "file" / "report", tracking_uri=store[0])
    with pytest.raises(ValueError, match="no analysis of study 'sudoku': there is density"):
        analyse("sudoku", out=tmp_path, tracking_uri=store[0])


def pulled_and_analysed(folder, *, init_seeds, cohort_size):
    """Seconds of one core to pull and analyse 50 networks per init seed: of the process, whatever else is running."""
    uri = new_store(folder)
    specs = grid(init_seeds=range(init_seeds), data_seeds=range(5))
    write_sweep(uri, records([network(spec) for spec in specs], cohort_size=cohort_size))
    start = time.process_time()
    analyse("density", out=folder / "report", tracking_uri=uri)
    return time.process_time() - start, len(specs)


@pytest.mark.slow
@pytest.mark.timeout(900)  # most of it goes into tracking the networks first
def test_ten_thousand_networks_take_less_than_30_seconds(tmp_path):
    seconds, networks = pulled_and_analysed(tmp_path, init_seeds=200, cohort_size=50)
    assert networks == 10_000
    assert seconds < 30
