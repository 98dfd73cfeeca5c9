"""Half a million networks, simulated: the sparsest-models study's grid, and a ledger in which most of it is done.

Seconds are those of one core, of the process, whatever else is running.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

GIB = 2**30
DONE = 500_000

# The paper's grid has 485,838; the pruning methods once more make it more than half a million.
BEGIN = """
import json, resource, sys, time
from pathlib import Path

import simulated
from synthetic import new_store

from analysis import analyse
from analysis.runs import pull
from raydensity import command, mlflow_store, plan
from raydensity.command import Options, Request
from raydensity.ledger import Ledger
from raydensity.placement import Node
from sweeps.sparsest import ALL_WIDTHS, RANDOM, STUDY, pruning

again = pruning("random", "random", widths=ALL_WIDTHS, nonzeros=RANDOM) | {"repeat": 1}
folder, done = Path(sys.argv[1]), int(sys.argv[2])
uri, ledger = mlflow_store.database_uri(folder / "mlflow.db"), Ledger(folder, "sparsest")
options = Options(data_root=folder, tracking_uri=uri)
clock = time.process_time()


def expand():
    spaces = [*STUDY.spaces["paper"], again]
    request = Request(STUDY, "paper", spaces, spaces, ledger)
    assert len(request.networks) > 500_000
    return request


def planned(request):
    return plan.make("sparsest", scale="paper", networks=request.networks, ledger=ledger, nodes=[Node(cpus=2)])


def end(**found):
    seconds, peak = time.process_time() - clock, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "bytes": peak, **found}))
"""
BUILD = """
new_store(folder)
request = expand()
simulated.ledger(folder, list(request.networks.values())[:done])
late = command._open(request, options).catch_up(ledger, set(request.networks))
end(networks=len(request.networks), cohorts=late)
"""
PLAN = """
request = expand()
made = planned(request)
made.table()
left = [spec.id for cohort in made.cohorts for spec in cohort.specs]
end(done=len(made.done), left=len(left), right=set(left) == set(list(request.networks)[done:]))
"""
CATCH_UP = """
request = expand()
tracker = command._open(request, options)
clock = time.process_time()
end(late=tracker.catch_up(ledger, set(request.networks)))
"""
PULL = """
columns = ["sparsity", "width", "structure", "nonzeros", "learning_rate", "schedule", "validation_accuracy"]
networks = pull("sparsest", tracking_uri=uri, columns=columns).networks
end(networks=len(networks), accuracy=networks["validation_accuracy"].mean())
"""


ANALYSE = """
clock = time.process_time()
page = analyse("sparsest", out=folder / "report", tracking_uri=uri)
tables, figures = (len(list((page.parent / name).iterdir())) for name in ("tables", "figures"))
end(tables=tables, figures=figures, page=page.stat().st_size)
"""


def ran(code, folder, done):
    """What a process of its own prints at its end: its seconds, its bytes at the peak, and what it found."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BEGIN + code, str(folder), str(done)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    print(found)  # the figures, with pytest -s
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half-a-million")
    found = ran(BUILD, folder, DONE)
    assert found["networks"] > DONE
    assert found["cohorts"] == 125
    return folder, found["networks"]


def test_planning_what_is_left_takes_less_than_a_minute_and_four_gib(built):
    folder, networks = built
    found = ran(PLAN, folder, DONE)
    assert (found["done"], found["left"], found["right"]) == (DONE, networks - DONE, True)
    assert found["seconds"] < 60
    assert found["bytes"] < 4 * GIB


def test_catching_up_with_what_is_there_takes_seconds(built):
    found = ran(CATCH_UP, built[0], DONE)
    assert found["late"] == 0
    assert found["seconds"] < 20


def test_a_few_columns_of_all_networks_are_pulled_in_less_than_a_minute(built):
    found = ran(PULL, built[0], DONE)
    assert found["networks"] == DONE
    assert 0.74 < found["accuracy"] < 0.76
    assert found["seconds"] < 60
    assert found["bytes"] < 4 * GIB


def test_the_whole_analysis_takes_less_than_two_minutes(built):
    """Tables, claims, figures and the page, by `analysis.analyse`, pulling included."""
    found = ran(ANALYSE, built[0], DONE)
    assert found["tables"] == 8
    assert found["figures"] == 24  # twelve, as PNG and SVG
    assert found["page"] > 1e6
    assert found["seconds"] < 120
