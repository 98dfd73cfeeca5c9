"""MLflow: the layout, what is not finite, a tracker that is away."""

import math
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import simulated
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from servers import free_port
from synthetic import new_store
from tracked import cohort_of, ledger_of, opened, runs

from raydensity import mlflow_store, tracking
from raydensity.pruning.search import structured
from raydensity.spec.sparsity import Explicit


def test_runs_nest_and_tell_what_they_are(tracked):
    uri, table, tracker = tracked
    [sweep], [cohort], networks = runs(uri, "sweep"), runs(uri, "cohort"), runs(uri, "network")
    assert sweep.info.run_name.startswith("density · quick · 20")
    assert cohort.info.run_name == "mlp ×0.5 · sgd · digits · 4 networks"
    assert "init 1 data 0 glorot_uniform ×0.5" in {run.info.run_name for run in networks}
    assert cohort.data.tags["mlflow.parentRunId"] == sweep.info.run_id == tracker.sweep_run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in networks} == {cohort.info.run_id}
    assert sorted(run.data.tags["raydensity.network_id"] for run in networks) == sorted(table["network_id"].to_pylist())
    assert {run.info.status for run in [cohort, *networks]} == {"FINISHED"}
    assert sweep.data.params == {"width": "0.5, 1.0"}
    assert cohort.data.metrics["networks"] == 4


def test_a_cohort_carries_its_record_and_its_picture(tracked, ledger, tmp_path):
    uri, table, _ = tracked
    [cohort] = runs(uri, "cohort")
    folder = Path(download_artifacts(run_id=cohort.info.run_id, tracking_uri=uri, dst_path=str(tmp_path / "got")))
    assert (folder / "record.parquet").read_bytes() == ledger.path(table["cohort_id"][0].as_py()).read_bytes()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_carries_its_cells(tracked, tmp_path):
    uri, table, tracker = tracked
    path = download_artifacts(
        run_id=tracker.sweep_run_id, artifact_path="cells.parquet", tracking_uri=uri, dst_path=str(tmp_path / "got")
    )
    assert pq.read_table(path).to_pydict() == {"network_id": table["network_id"].to_pylist()}


def test_curves_by_epoch_and_by_percent(tracked):
    uri, table, _ = tracked
    row = table.to_pylist()[0]
    [run] = runs(uri, "network", f" and tags.`raydensity.network_id` = '{row['network_id']}'")
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "pruning/validation_accuracy")
    assert [point.step for point in history] == list(range(0, 101, 2))
    assert [point.value for point in history] == row["prune_validation_accuracy"]
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "training/validation_loss")
    assert [(point.step, point.value) for point in history] == list(
        zip(row["curve_epoch"], row["curve_validation_loss"], strict=True)
    )
    assert run.data.params["initializer"] == row["initializer"]
    assert run.data.metrics["test_accuracy"] == row["test_accuracy"]


def test_units_are_shown_by_layer(tmp_path, ledger):
    curve = {"layer": "all", "by_position": False, "removed": [0.0, 0.5, 1.0]}
    curves = [[1.0, 0.6, 0.1], [1.0, 0.8, 0.4]]
    table = cohort_of(
        prunability=[{**curve, "repeat": repeat, "unchanged": own} for repeat, own in enumerate(curves)],
        redundancy=[{"layer": "fc1", "repeat": 0, "rows": 100, "eigenvalues": [0.0, 0.0, 1.0, 9.0]}],
    ).slice(0, 1)  # fmt: skip
    uri = new_store(tmp_path)
    opened(uri, table).track(ledger.write(table), table)
    metrics = runs(uri, "network")[0].data.metrics
    assert metrics["prunability/all"] == pytest.approx(0.5)  # the better of two orders, at the paper's tolerance
    assert metrics["redundancy/fc1"] == metrics["redundancy/all"] == pytest.approx(0.75)


def test_a_cohort_of_any_size_says_what_it_holds(tmp_path):
    uri = new_store(tmp_path)
    ids = [f"{number:020x}" for number in range(501)]
    client = MlflowClient(uri)
    run = client.create_run("0", tags=mlflow_store.network_tags(ids))
    assert mlflow_store.network_ids(client.get_run(run.info.run_id)) == set(ids)
    assert max(map(len, run.data.tags.values())) < 5000


def test_a_factor_with_many_levels_says_how_many(tmp_path):
    uri = new_store(tmp_path)
    levels = {"init_seed": list(range(1000)), "width": [0.1 * step for step in range(50)], "structure": ["", "3x2x2"]}
    opened(uri, cohort_of(), levels=levels)
    params = runs(uri, "sweep")[0].data.params
    assert params["init_seed"] == "1,000 levels, 0 to 999"
    assert len(params["width"].split(", ")) == 50
    assert params["structure"] == ", 3x2x2"


def test_a_cohort_of_thousands_of_sparse_networks(tmp_path):
    specs = [simulated.spiral(Explicit(rows=structured((3, 2, 2))), init_seed=seed) for seed in range(4096)]
    table = simulated.record(specs, epochs=10)
    uri, ledger = new_store(tmp_path), ledger_of(tmp_path)
    tracker = opened(uri, table, networks=False)
    tracker.track(ledger.write(table), table)
    [run] = runs(uri, "cohort")
    assert run.info.run_name == "mlp ×16 · explicit · sgd · spiral · 4,096 networks"
    assert mlflow_store.network_ids(run) == {spec.id for spec in specs}
    assert run.data.params == {
        "dataset": "spiral", "architecture": "mlp", "optimizer": "sgd", "sparsity": "explicit", "width": "16.0",
        "device": "cpu", "samples": "50000", "momentum": "0.9",
    }  # fmt: skip
    assert run.data.metrics["networks"] == 4096
    assert run.data.metrics["seconds_training"] == pytest.approx(4096 * 0.03)
    assert tracker.catch_up(ledger, {specs[0].id}) == 0


def test_a_record_from_before_a_column_existed_is_shown(tmp_path, ledger):
    uri, table = new_store(tmp_path), cohort_of()
    path = ledger.path(table["cohort_id"][0].as_py())
    pq.write_table(table.drop_columns(["sparsity", "noise", "kept_value"]), path)
    assert opened(uri, table).catch_up(ledger, set(table["network_id"].to_pylist())) == 1
    params = runs(uri, "network")[0].data.params
    assert "noise" not in params
    assert params["initializer"] in table["initializer"].to_pylist()
    assert runs(uri, "cohort")[0].info.run_name == "mlp ×0.5 · sgd · digits · 4 networks"


def test_the_same_sweep_goes_on_in_its_run(tracked):
    uri, table, tracker = tracked
    touched = runs(uri, "sweep")[0].data.tags["raydensity.touched"]
    tracker.finish(done=4, complete=True)
    assert runs(uri, "sweep")[0].info.status == "FINISHED"
    again = opened(uri, table)
    assert again == tracker
    [run] = runs(uri, "sweep")
    assert run.info.status == "RUNNING"
    assert run.data.tags["raydensity.touched"] > touched
    assert opened(uri, table, levels={"width": [1.0, 0.5], "batch_size": [64]}) == tracker
    assert runs(uri, "sweep")[0].data.params == {"width": "0.5, 1.0", "batch_size": "64"}
    again.finish(done=3, complete=False)
    assert runs(uri, "sweep")[0].info.status == "KILLED"
    assert runs(uri, "sweep")[0].data.metrics["networks_done"] == 3


def test_without_network_runs_cohorts_alone_are_shown(tmp_path, ledger):
    uri, table = new_store(tmp_path), cohort_of()
    opened(uri, table, networks=False).track(ledger.write(table), table)
    assert len(runs(uri, "cohort")) == 1
    assert runs(uri, "network") == []


def test_what_is_not_finite_is_left_out_and_a_diverged_network_is_shown(tmp_path, ledger):
    losses = [2.0, math.inf]
    changes = {f"curve_{name}": losses for name in ("train_loss", "validation_loss")}
    changes |= {f"curve_{name}": [0.1, math.nan] for name in ("train_accuracy", "validation_accuracy")}
    table = cohort_of(
        status="diverged", converged=False, curve_epoch=[1, 2], epochs=2, stopped_epoch=0,
        validation_loss=math.nan, validation_accuracy=math.nan, test_loss=None, test_accuracy=None, train_loss=math.inf,
        prune_removed=None, prune_weights_left=None, prune_validation_accuracy=None, prune_validation_loss=None,
        correctness=None, overlap=None, activations=None, **changes,
    )  # fmt: skip
    uri = new_store(tmp_path)
    opened(uri, table).track(ledger.write(table), table)
    run = runs(uri, "network")[0]
    assert run.data.tags["raydensity.status"] == "diverged"
    assert all(abs(value) < 1e300 for value in run.data.metrics.values())
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "training/train_loss")
    assert [point.step for point in history] == [1]
    assert runs(uri, "cohort")[0].data.metrics["diverged"] == 4


def test_long_curves_are_sent_in_batches(tmp_path, ledger):
    epochs = list(range(1, 1501))
    curves = {f"curve_{name}": [0.5] * 1500 for name in tracking.CURVES}
    table = cohort_of(curve_epoch=epochs, epochs=1500, stopped_epoch=1500, **curves).slice(0, 1)
    uri = new_store(tmp_path)
    opened(uri, table).track(ledger.write(table), table)
    history = MlflowClient(uri).get_metric_history(runs(uri, "network")[0].info.run_id, "training/validation_accuracy")
    assert len(history) == 1500


def test_an_unreachable_tracker_is_one_clear_line_within_seconds(tmp_path):
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"--tracking-uri: .* cannot be used") as caught:
        tracking.check(f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)


def test_a_database_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--tracking-uri: .* cannot be used") as caught:
        tracking.check(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert "\n" not in str(caught.value)
