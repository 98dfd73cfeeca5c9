"""Networks of the grid that are really trained and measured, all the way to the report."""

from collections import defaultdict

import pytest
from synthetic import pulled
from synthetic_frivolous import records

from analysis.frivolous.networks import prepare
from analysis.frivolous.report import COLUMNS, report
from analysis.frivolous.tables import Tables
from raydensity.experiment import run_cohort
from raydensity.grid import configure, expand
from sweeps.frivolous import STUDY


@pytest.fixture(scope="module")
def rows():
    settings = {
        "width": ["0.25", "0.5"],
        "initializer_factor": ["1"],
        "learning_rate": ["0.1", "0.01"],
        "repeat": ["0", "1"],
        "max_epochs": ["2"],
    }
    cohorts = defaultdict(list)
    for spec in expand(STUDY, configure(STUDY, scale="quick", settings=settings)).values():
        cohorts[spec.cohort_key].append(spec)
    return [row for specs in cohorts.values() for row in run_cohort(specs).to_pylist()]


def test_trained_networks_are_found_in_the_panels_and_reported(rows, tmp_path):
    runs = pulled("frivolous", records(rows), COLUMNS, scale="quick")
    tables = Tables(prepare(runs))
    table = tables.frivolity
    own = table[table["panel"] == "mlp_10_initialization"]
    assert list(zip(own["curve"], own["width"], own["n"], strict=True)) == [("factor 1", 0.25, 2), ("factor 1", 0.5, 2)]
    by_id = {row["network_id"]: row for row in rows}
    for width, accuracy in zip(own["width"], own["accuracy"], strict=True):
        [line] = [line for line in tables.lines if line.panel.name == "mlp_10_initialization"]
        shown = line.networks[line.networks["width"] == width]["network_id"]
        assert accuracy == pytest.approx(sum(100 * by_id[network]["test_accuracy"] for network in shown) / 2)
    assert (own["prunability"] + own["non_prunability"]).tolist() == pytest.approx((own["width"] / 4).tolist())
    assert own[["prunability", "redundancy"]].gt(0).all(axis=None)
    assert set(tables.narrowing["way"]) == {"excised", "refactored"}
    page = report(runs, tmp_path).read_text()
    assert "8 used of 8 trained" in page
    assert "nan" not in page.partition("</style>")[2].split("base64,")[0].lower()
