"""Cohorts and their runs in a real MLflow store, for the tests of tracking and of catching up."""

from __future__ import annotations

import contextlib

import mlflow
from mlflow import MlflowClient
from synthetic import grid, network, records

from raydensity import tracking
from raydensity.ledger import Ledger


def cohort_of(**changes):
    """The record of one cohort: four networks, with columns changed."""
    specs = grid(widths=(0.5,), init_seeds=range(2), data_seeds=range(1))
    return records([network(spec, **changes) for spec in specs])[0]


def ledger_of(folder, *tables):
    """A ledger of the study "density" that holds these records."""
    ledger = Ledger(folder, "density")
    ledger.prepare()
    for table in tables:
        ledger.write(table)
    return ledger


def opened(uri, *tables, **changes):
    """The tracker of the sweep of these records' networks."""
    ids = [network for table in tables for network in table["network_id"].to_pylist()]
    arguments = {"study": "density", "scale": "quick", "sweep_id": "a" * 20, "network_ids": ids, "networks": True}
    return tracking.open_sweep(uri, **arguments | {"levels": {"width": [0.5, 1.0]}} | changes)


@contextlib.contextmanager
def pointed_at(uri):
    """MLflow's own functions work on this store, and afterwards on none that was named."""
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


def runs(uri, kind, extra=""):
    """The runs of one kind in a store."""
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments, f"tags.`raydensity.kind` = '{kind}'{extra}")
