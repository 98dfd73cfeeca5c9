"""MLflow brought in line with the ledger: what is missing, unfinished, lost, repacked, or another ledger's."""

import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from synthetic import grid, network, new_store, records
from tracked import cohort_of, ledger_of, opened, runs

from analysis.runs import pull
from raydensity.record import SCHEMA


def test_tracking_a_cohort_again_changes_nothing(tracked, ledger):
    uri, table, tracker = tracked
    before = {run.info.run_id for kind in ("sweep", "cohort", "network") for run in runs(uri, kind)}
    tracker.track(ledger.path(table["cohort_id"][0].as_py()), table)
    assert tracker.catch_up(ledger, set(table["network_id"].to_pylist())) == 0
    assert {run.info.run_id for kind in ("sweep", "cohort", "network") for run in runs(uri, kind)} == before


def test_an_unfinished_twin_is_replaced_with_its_children(tracked, ledger):
    uri, table, tracker = tracked
    [cohort] = runs(uri, "cohort")
    MlflowClient(uri).update_run(cohort.info.run_id, status="RUNNING")  # as a killed worker leaves it
    assert tracker.catch_up(ledger, set(table["network_id"].to_pylist())) == 1
    [replaced] = runs(uri, "cohort")
    assert replaced.info.run_id != cohort.info.run_id
    assert len(runs(uri, "network")) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(uri, "network")} == {replaced.info.run_id}


def test_a_lost_database_is_rebuilt_from_the_ledger(tracked, ledger, tmp_path):
    _, table, _ = tracked
    (tmp_path / "other").mkdir()
    uri = new_store(tmp_path / "other")
    tracker = opened(uri, table)
    assert tracker.catch_up(ledger, set(table["network_id"].to_pylist())) == 1
    assert len(runs(uri, "network")) == 4


def network_counts(uri):
    """How often each network is shown."""
    assert {run.info.status for run in runs(uri, "network")} <= {"FINISHED"}
    return Counter(run.data.tags["raydensity.network_id"] for run in runs(uri, "network"))


def accuracies(uri):
    return {run.data.metrics["validation_accuracy"] for run in runs(uri, "network")}


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
    other = ledger_of(tmp_path / "other", cohort_of(validation_accuracy=0.25))
    if at_once:
        for path, record in other.cohorts():
            tracker.track(path, record)
    assert tracker.catch_up(other, ids) == (0 if at_once else 1)
    assert accuracies(uri) == {0.25}
    assert network_counts(uri) == Counter(ids)
    assert len(runs(uri, "cohort")) == 1
    assert tracker.catch_up(ledger, ids) == 1
    assert accuracies(uri) == set(table["validation_accuracy"].to_pylist())
    assert network_counts(uri) == Counter(ids)


def test_networks_that_run_again_in_other_cohorts_are_shown_once(tracked, ledger):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    ledger.path(table["cohort_id"][0].as_py()).unlink()
    for part in repacked(table, (3, 1), validation_accuracy=0.25):
        tracker.track(ledger.write(part), part)
    assert tracker.catch_up(ledger, ids) == 0
    assert network_counts(uri) == Counter(ids)
    assert accuracies(uri) == {0.25}
    assert sorted(run.data.metrics["networks"] for run in runs(uri, "cohort")) == [1, 3]


def test_an_unfinished_cohort_that_was_packed_anew_goes(tracked, ledger):
    uri, table, tracker = tracked
    MlflowClient(uri).update_run(runs(uri, "cohort")[0].info.run_id, status="RUNNING")
    ledger.path(table["cohort_id"][0].as_py()).unlink()
    for part in repacked(table, (2,)):
        ledger.write(part)
    assert tracker.catch_up(ledger, set(table["network_id"].to_pylist())) == 1
    assert network_counts(uri) == Counter(table["network_id"].to_pylist()[:2])
    assert len(runs(uri, "cohort")) == 1


@pytest.mark.parametrize("networks", [True, False])
def test_what_another_ledger_has_beyond_is_kept(tmp_path, ledger, networks):
    uri, table = new_store(tmp_path), cohort_of()
    ids = table["network_id"].to_pylist()
    tracker = opened(uri, table, networks=networks)
    tracker.track(ledger.write(table), table)
    other = ledger_of(tmp_path / "other", *repacked(table, (2,), validation_accuracy=0.25))
    theirs = opened(uri, table, sweep_id="b" * 20, network_ids=ids[:2], networks=networks)
    old = dict(zip(ids, table["validation_accuracy"].to_pylist(), strict=True))

    def pulled():
        frame = pull("density", tracking_uri=uri, sweep="a" * 20).networks
        return dict(zip(frame["network_id"], frame["validation_accuracy"], strict=True))

    assert theirs.catch_up(other, set(ids[:2])) == 1
    assert pulled() == old | dict.fromkeys(ids[:2], 0.25)
    assert network_counts(uri) == Counter(ids if networks else [])
    assert theirs.catch_up(other, set(ids[:2])) == 0
    assert tracker.catch_up(ledger, set(ids)) == 1
    assert pulled() == old
    assert network_counts(uri) == Counter(ids if networks else [])
    assert len(runs(uri, "cohort")) == 1
    assert tracker.catch_up(ledger, set(ids)) == 0


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
    assert tracker.catch_up(ledger, ids) == 1
    [cohort] = runs(uri, "cohort")
    assert len(pull("density", tracking_uri=uri).networks) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(uri, "network")} == {cohort.info.run_id}
    assert network_counts(uri) == Counter(ids)
    assert tracker.catch_up(ledger, ids) == 0


def test_network_runs_are_added_when_they_are_wanted_later(tmp_path, ledger):
    uri, table = new_store(tmp_path), cohort_of()
    ids = set(table["network_id"].to_pylist())
    opened(uri, table, networks=False).track(ledger.write(table), table)
    assert opened(uri, table, networks=True).catch_up(ledger, ids) == 1
    assert len(runs(uri, "cohort")) == 1
    assert network_counts(uri) == Counter(ids)
    assert opened(uri, table, networks=False).catch_up(ledger, ids) == 0
    assert network_counts(uri) == Counter(ids)


@pytest.mark.parametrize("kind", ["cohort", "network"])
def test_a_run_that_was_deleted_by_hand_comes_back(tracked, ledger, kind):
    uri, table, tracker = tracked
    ids = set(table["network_id"].to_pylist())
    MlflowClient(uri).delete_run(runs(uri, kind)[0].info.run_id)
    assert tracker.catch_up(ledger, ids) == 1
    assert len(runs(uri, "cohort")) == 1
    assert network_counts(uri) == Counter(ids)


def test_tracking_asks_little(tracked, ledger, monkeypatch):
    _, table, tracker = tracked
    for part in repacked(cohort_of(data_seed=7), (1, 1)):
        rows = [{**row, "network_id": row["network_id"][::-1]} for row in part.to_pylist()]
        ledger.write(part.from_pylist(rows, schema=part.schema))
    ids = {network for _, part in ledger.cohorts() for network in part["network_id"].to_pylist()}
    assert tracker.catch_up(ledger, ids) == 2
    asked = []
    for name in ("search_runs", "get_run", "list_artifacts"):
        plain = getattr(MlflowClient, name)
        monkeypatch.setattr(
            MlflowClient, name, lambda *a, plain=plain, **k: (asked.append(plain.__name__), plain(*a, **k))[1]
        )
    assert tracker.catch_up(ledger, ids) == 0
    assert asked == ["search_runs"] * 2
    tracker.track(ledger.path(table["cohort_id"][0].as_py()), table)
    assert asked == ["search_runs"] * 3


def test_cohorts_of_other_sweeps_are_left_alone(tracked, ledger):
    _, _, tracker = tracked
    [other] = records([network(spec) for spec in grid(widths=(2,))])
    ledger.write(other)
    assert tracker.catch_up(ledger, {"0" * 20}) == 0


def test_a_network_that_another_file_holds_is_not_shown_twice(tmp_path, ledger):
    table = cohort_of()
    uri = new_store(tmp_path)
    ledger.write(table)
    rows = [{**row, "cohort_id": "f" * 20} for row in table.to_pylist()[:2]]
    ledger.write(table.from_pylist(rows, schema=table.schema))
    opened(uri, table).catch_up(ledger, set(table["network_id"].to_pylist()))
    shown = [run.data.tags["raydensity.network_id"] for run in runs(uri, "network")]
    assert sorted(shown) == sorted(table["network_id"].to_pylist())


def test_what_stands_is_not_read_again(tracked, ledger, monkeypatch):
    _, table, tracker = tracked
    ids, asked, plain = set(table["network_id"].to_pylist()), [], ledger.read
    monkeypatch.setattr(ledger, "read", lambda path, *columns: (asked.append(columns), plain(path, *columns))[1])
    assert tracker.catch_up(ledger, ids) == 0
    assert asked == [(["network_id", "cohort_id"],)]


def test_a_record_that_is_damaged_beyond_its_ids_is_not_shown(tmp_path, ledger):
    tables = repacked(cohort_of(), (2, 2))
    paths = [ledger.write(table) for table in tables]
    column = pq.read_metadata(paths[0]).row_group(0).column(SCHEMA.names.index("curve_epoch"))
    assert column.path_in_schema.startswith("curve_epoch")
    content = bytearray(paths[0].read_bytes())
    content[column.data_page_offset + 20 : column.data_page_offset + 25] = b"wrong"
    paths[0].write_bytes(content)
    uri = new_store(tmp_path)
    tracker = opened(uri, *tables)
    assert tracker.catch_up(ledger, {network for table in tables for network in table["network_id"].to_pylist()}) == 1
    assert network_counts(uri) == Counter(tables[1]["network_id"].to_pylist())
    assert not paths[0].exists()
