"""What a sweep only writes to goes away and comes back: MLflow's server, and the database behind it."""

import signal

import pytest
from real_sweeps import assert_all_tracked, assert_the_same, finish, records, start, wait_for
from servers import mlflow_server, postgresql
from synthetic import new_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def server(tmp_path):
    """MLflow's server with a database and files of its own, and its URI."""
    with mlflow_server(new_store(tmp_path), tmp_path / "artifacts") as running:
        yield running


def test_a_killed_mlflow_server_that_comes_back_has_everything(tmp_path, server, undisturbed):
    tracker, uri = server
    sweep = start(tmp_path, uri=uri)
    wait_for(lambda: records(tmp_path))
    tracker.stop()
    known = len(records(tmp_path))
    wait_for(lambda: len(records(tmp_path)) > known)  # training does not wait for it
    tracker.start()
    finish(sweep)
    assert_the_same(tmp_path, undisturbed)
    assert_all_tracked(uri)


def test_an_mlflow_server_that_stays_away_costs_the_report_until_it_is_back(tmp_path, server, undisturbed):
    tracker, uri = server
    sweep = start(tmp_path, uri=uri)
    wait_for(lambda: records(tmp_path))
    tracker.stop()
    output = finish(sweep, 1)
    assert "warning: MLflow could not be written" in output
    assert "Traceback" not in output
    assert len(records(tmp_path)) == len(records(undisturbed))
    tracker.start()
    assert "16 of them done: nothing to train" in finish(start(tmp_path, uri=uri))
    assert_the_same(tmp_path, undisturbed)
    assert_all_tracked(uri)


@pytest.fixture
def database():
    with postgresql() as running:
        yield running


def test_a_restarted_database_loses_nothing(tmp_path, database, undisturbed):
    server, store = database
    with mlflow_server(store, tmp_path / "artifacts") as (_, uri):
        sweep = start(tmp_path, uri=uri)
        wait_for(lambda: records(tmp_path))
        server.stop(signal.SIGINT)
        server.start()
        finish(sweep)
        assert_the_same(tmp_path, undisturbed)
        assert_all_tracked(uri)
