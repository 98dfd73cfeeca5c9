"""What several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("raydensity", deadline=None)  # machines are busy, and the first example may import or compile
settings.load_profile("raydensity")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real MNIST and CIFAR-10: RAYDENSITY_DATA, else `shared/data` beside the checkout."""
    named = os.environ.get("RAYDENSITY_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: RAYDENSITY_DATA is not set and {folder} does not exist")
    return folder


@pytest.fixture
def ledger(tmp_path):
    """An empty ledger of the study "density"."""
    from tracked import ledger_of  # MLflow takes seconds to import: only where it is used

    return ledger_of(tmp_path)


@pytest.fixture
def tracked(tmp_path, ledger):
    """A cohort in a store: the URI of the store, the record, the tracker of the sweep."""
    from synthetic import new_store
    from tracked import cohort_of, opened

    uri, table = new_store(tmp_path), cohort_of()
    tracker = opened(uri, table)
    tracker.track(ledger.write(table), table)
    return uri, table, tracker


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The folder of a sweep that nothing happened to, of real_sweeps.GRID."""
    from real_sweeps import finish, start
    from synthetic import new_store

    folder = tmp_path_factory.mktemp("undisturbed")
    new_store(folder)
    finish(start(folder))
    return folder
