"""MLflow: the layout, catching up, what is not finite, a tracker that is away."""

import math
import shutil
import socket
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from synthetic import grid, network, new_store, records

from analysis.runs import pull
from raydensity import mlflow_store, tracking
from raydensity.ledger import Ledger


def cohort_of(**changes):
    specs = grid(widths=(0.5,), init_seeds=range(2), data_seeds=range(1))
    return records([network(spec, **changes) for spec in specs])[0]


def opened(uri, *tables, **changes):
    ids = [network for table in tables for network in table["network_id"].to_pylist()]
    arguments = {"study": "density", "scale": "quick", "sweep_id": "a" * 20, "network_ids": ids, "networks": True}
    return tracking.open_sweep(uri, **arguments | {"levels": {"width": [0.5, 1.0]}} | changes)


def runs(uri, kind, extra=""):
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, f"tags.`raydensity.kind` = '{kind}'{extra}")


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path, "density")
    ledger.prepare()
    return ledger


@pytest.fixture
def tracked(tmp_path, ledger):
    uri, table = new_store(tmp_path), cohort_of()
    tracker = opened(uri, table)
    tracker.track(ledger.write(table), table)
    return uri, table, tracker


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


def test_tracking_a_cohort_again_changes_nothing(tracked, ledger):
    uri, table, tracker = tracked
    before = {run.info.run_id for kind in ("sweep", "cohort", "network") for run in runs(uri, kind)}
    tracker.track(ledger.path(table["cohort_id"][0].as_py()), table)
    assert tracker.catch_up(ledger.cohorts(), set(table["network_id"].to_pylist())) == 0
    assert {run.info.run_id for kind in ("sweep", "cohort", "network") for run in runs(uri, kind)} == before


def test_an_unfinished_twin_is_replaced_with_its_children(tracked, ledger):
    uri, table, tracker = tracked
    [cohort] = runs(uri, "cohort")
    MlflowClient(uri).update_run(cohort.info.run_id, status="RUNNING")  # as a killed worker leaves it
    assert tracker.catch_up(ledger.cohorts(), set(table["network_id"].to_pylist())) == 1
    [replaced] = runs(uri, "cohort")
    assert replaced.info.run_id != cohort.info.run_id
    assert len(runs(uri, "network")) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(uri, "network")} == {replaced.info.run_id}


def test_a_lost_database_is_rebuilt_from_the_ledger(tracked, ledger, tmp_path):
    _, table, _ = tracked
    (tmp_path / "other").mkdir()
    uri = new_store(tmp_path / "other")
    tracker = opened(uri, table)
    assert tracker.catch_up(ledger.cohorts(), set(table["network_id"].to_pylist())) == 1
    assert len(runs(uri, "network")) == 4


def network_counts(uri):
    """How often each network is shown."""
    assert {run.info.status for run in runs(uri, "network")} <= {"FINISHED"}
    return Counter(run.data.tags["raydensity.network_id"] for run in runs(uri, "network"))


def accuracies(uri):
    return {run.data.metrics["validation_accuracy"] for run in runs(uri, "network")}


def another_ledger(folder, *tables):
    ledger = Ledger(folder, "density")
    ledger.prepare()
    for table in tables:
        ledger.write(table)
    return ledger


def repacked(table, sizes, **changes):
    """The same networks in other cohorts: the first so many, then the next."""
    rows, tables = [row | changes for row in table.to_pylist()], []
    for size in sizes:
        tables += records(rows[:size])
        rows = rows[size:]
    return tables


@pytest.mark.parametrize("at_once", [True, False])
def test_the_ledger_of_the_last_command_is_shown(tracked, ledger, tmp_path, at_once):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    other = another_ledger(tmp_path / "other", cohort_of(validation_accuracy=0.25))
    if at_once:
        for path, record in other.cohorts():
            tracker.track(path, record)
    assert tracker.catch_up(other.cohorts(), ids) == (0 if at_once else 1)
    assert accuracies(uri) == {0.25}
    assert network_counts(uri) == Counter(ids)
    assert len(runs(uri, "cohort")) == 1
    assert tracker.catch_up(ledger.cohorts(), ids) == 1
    assert accuracies(uri) == set(table["validation_accuracy"].to_pylist())
    assert network_counts(uri) == Counter(ids)


def test_networks_that_run_again_in_other_cohorts_are_shown_once(tracked, ledger):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    ledger.path(table["cohort_id"][0].as_py()).unlink()
    for part in repacked(table, (3, 1), validation_accuracy=0.25):
        tracker.track(ledger.write(part), part)
    assert tracker.catch_up(ledger.cohorts(), ids) == 0
    assert network_counts(uri) == Counter(ids)
    assert accuracies(uri) == {0.25}
    assert sorted(run.data.metrics["networks"] for run in runs(uri, "cohort")) == [1, 3]


def test_an_unfinished_cohort_that_was_packed_anew_goes(tracked, ledger):
    uri, table, tracker = tracked
    MlflowClient(uri).update_run(runs(uri, "cohort")[0].info.run_id, status="RUNNING")
    ledger.path(table["cohort_id"][0].as_py()).unlink()
    for part in repacked(table, (2,)):
        ledger.write(part)
    assert tracker.catch_up(ledger.cohorts(), set(table["network_id"].to_pylist())) == 1
    assert network_counts(uri) == Counter(table["network_id"].to_pylist()[:2])
    assert len(runs(uri, "cohort")) == 1


@pytest.mark.parametrize("networks", [True, False])
def test_what_another_ledger_has_beyond_is_kept(tmp_path, ledger, networks):
    uri, table = new_store(tmp_path), cohort_of()
    ids = table["network_id"].to_pylist()
    tracker = opened(uri, table, networks=networks)
    tracker.track(ledger.write(table), table)
    other = another_ledger(tmp_path / "other", *repacked(table, (2,), validation_accuracy=0.25))
    theirs = opened(uri, table, sweep_id="b" * 20, network_ids=ids[:2], networks=networks)
    old = dict(zip(ids, table["validation_accuracy"].to_pylist(), strict=True))

    def pulled():
        frame = pull("density", tracking_uri=uri, sweep="a" * 20).networks
        return dict(zip(frame["network_id"], frame["validation_accuracy"], strict=True))

    assert theirs.catch_up(other.cohorts(), set(ids[:2])) == 1
    assert pulled() == old | dict.fromkeys(ids[:2], 0.25)
    assert network_counts(uri) == Counter(ids if networks else [])
    assert theirs.catch_up(other.cohorts(), set(ids[:2])) == 0
    assert tracker.catch_up(ledger.cohorts(), set(ids)) == 1
    assert pulled() == old
    assert network_counts(uri) == Counter(ids if networks else [])
    assert len(runs(uri, "cohort")) == 1
    assert tracker.catch_up(ledger.cohorts(), set(ids)) == 0


@pytest.mark.parametrize("lost", ["all", "record", "half"])
def test_lost_artifacts_are_written_again(tracked, ledger, tmp_path, lost):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    [record] = (tmp_path / "mlruns").rglob("record.parquet")
    if lost == "all":
        shutil.rmtree(record.parent)
    elif lost == "record":
        record.unlink()
    else:
        record.write_bytes(record.read_bytes()[:500])
    assert tracker.catch_up(ledger.cohorts(), ids) == 1
    [cohort] = runs(uri, "cohort")
    assert len(pull("density", tracking_uri=uri).networks) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(uri, "network")} == {cohort.info.run_id}
    assert network_counts(uri) == Counter(ids)
    assert tracker.catch_up(ledger.cohorts(), ids) == 0


def test_network_runs_are_added_when_they_are_wanted_later(tmp_path, ledger):
    uri, table = new_store(tmp_path), cohort_of()
    ids = set(table["network_id"].to_pylist())
    opened(uri, table, networks=False).track(ledger.write(table), table)
    assert opened(uri, table, networks=True).catch_up(ledger.cohorts(), ids) == 1
    assert len(runs(uri, "cohort")) == 1
    assert network_counts(uri) == Counter(ids)
    assert opened(uri, table, networks=False).catch_up(ledger.cohorts(), ids) == 0
    assert network_counts(uri) == Counter(ids)


@pytest.mark.parametrize("kind", ["cohort", "network"])
def test_a_run_that_was_deleted_by_hand_comes_back(tracked, ledger, kind):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    MlflowClient(uri).delete_run(runs(uri, kind)[0].info.run_id)
    assert tracker.catch_up(ledger.cohorts(), ids) == 1
    assert len(runs(uri, "cohort")) == 1
    assert network_counts(uri) == Counter(ids)


def test_tracking_asks_little(tracked, ledger, monkeypatch):
    _, table, tracker = tracked
    for part in repacked(cohort_of(data_seed=7), (1, 1)):
        rows = [{**row, "network_id": row["network_id"][::-1]} for row in part.to_pylist()]
        ledger.write(part.from_pylist(rows, schema=part.schema))
    ids = {network for _, part in ledger.cohorts() for network in part["network_id"].to_pylist()}
    assert tracker.catch_up(ledger.cohorts(), ids) == 2
    asked = []
    for name in ("search_runs", "get_run", "list_artifacts"):
        plain = getattr(MlflowClient, name)
        monkeypatch.setattr(
            MlflowClient, name, lambda *a, plain=plain, **k: (asked.append(plain.__name__), plain(*a, **k))[1]
        )
    assert tracker.catch_up(ledger.cohorts(), ids) == 0
    assert asked == ["search_runs"] * 2
    tracker.track(ledger.path(table["cohort_id"][0].as_py()), table)
    assert asked == ["search_runs"] * 3


def test_a_cohort_of_any_size_says_what_it_holds(tmp_path):
    uri = new_store(tmp_path)
    ids = [f"{number:020x}" for number in range(501)]
    client = MlflowClient(uri)
    run = client.create_run("0", tags=mlflow_store.network_tags(ids))
    assert mlflow_store.network_ids(client.get_run(run.info.run_id)) == set(ids)
    assert max(map(len, run.data.tags.values())) < 5000


def test_cohorts_of_other_sweeps_are_left_alone(tracked, ledger):
    _, _, tracker = tracked
    [other] = records([network(spec) for spec in grid(widths=(2,))])
    ledger.write(other)
    assert tracker.catch_up(ledger.cohorts(), {"0" * 20}) == 0


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


def test_a_network_that_another_file_holds_is_not_shown_twice(tmp_path, ledger):
    table = cohort_of()
    uri = new_store(tmp_path)
    ledger.write(table)
    rows = [{**row, "cohort_id": "f" * 20} for row in table.to_pylist()[:2]]
    ledger.write(table.from_pylist(rows, schema=table.schema))
    opened(uri, table).catch_up(ledger.cohorts(), set(table["network_id"].to_pylist()))
    shown = [run.data.tags["raydensity.network_id"] for run in runs(uri, "network")]
    assert sorted(shown) == sorted(table["network_id"].to_pylist())


def test_an_unreachable_tracker_is_one_clear_line_within_seconds(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"--tracking-uri: .* cannot be used") as caught:
        tracking.check(f"http://127.0.0.1:{port}")
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)


def test_a_database_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--tracking-uri: .* cannot be used") as caught:
        tracking.check(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert "\n" not in str(caught.value)
