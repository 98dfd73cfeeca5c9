"""cluster-own-machines.yaml for real (end_to_end.py), with a sweep of sixteen networks."""

from pathlib import Path

import pytest
from end_to_end import run
from lab import missing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(missing()), reason=f"no test hosts can be made here: {missing()}"),
    pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="needs PostgreSQL"),
]


def test_a_sweep_outlives_a_stopped_job_and_a_lost_machine(tmp_path):
    data = tmp_path / "data"
    data.mkdir()  # its networks learn digits, which come with scikit-learn
    # Minutes long, since Ray's own commands take seconds to stop a job.
    grid = ["--study", "density", "--set", "architecture=mlp", "--set", "width=1,5", "--set", "stopping=last_epoch"]
    run(tmp_path, [*grid, "--set", "max_epochs=200"], data=data)
