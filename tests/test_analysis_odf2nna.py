"""The analysis of ODF2NNA: what is compared with what, by literal small sweeps, and the page of real networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.odf2nna import claims, display
from analysis.odf2nna.methods import LOOKS, OURS
from analysis.odf2nna.networks import PAPERS, prepare
from analysis.odf2nna.report import COLUMNS, report
from analysis.odf2nna.tables import Tables
from analysis.odf2nna.without_loss import ANY
from analysis.runs import Runs
from raydensity.experiment import run_cohort
from raydensity.grid import configure, expand
from raydensity.ledger import Ledger
from raydensity.record import SCHEMA
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES, WEIGHT_SCORES
from sweeps.odf2nna import STUDY

BEFORE = 1000  # parameters of every original


def row(dataset="iris", repeat=0, **own) -> dict:
    """A record's row; `validation` and `test` are its scores."""
    task = own.pop("task", "classification")
    found = dict.fromkeys(SCHEMA.names)
    found |= {
        "network_id": f"{len(str(own))}{hash((dataset, repeat, str(own))):x}",
        **{"dataset": dataset, "task": task, "hidden": "9-9", "learning_rate": 1e-3, "batch_size": 16},
        **{
            "initializer": "he_uniform",
            "precision": "fp32",
            "max_epochs": 100,
            "status": "finished",
            "converged": True,
        },
        **{"init_seed": repeat, "data_seed": repeat, "parameters": BEFORE, "git_commit": "", "git_dirty": False},
        **{"compression": "", "sparsity": "", "criterion": "", "level": 0.0, "compensation": "", "refinement": 0.0},
        **{"scored_on": "", "nonzeros_asked": 0},
    }
    for part in ("validation", "test"):
        score = own.pop(part, 0.9)
        for prefix, value in (("", score), ("removed_", own.pop(f"removed_{part}", score))):
            regression = task == "regression"
            found[f"{prefix}{part}_loss"] = value if regression else 1 - value
            found[f"{prefix}{part}_accuracy"] = None if regression else value
    return found | own


def smaller(method=OURS, level=0.5, left=400, **own) -> dict:
    rule = {"compression": method, "criterion": "share", "level": level, "compensation": "mean", "refinement": PAPERS}
    return row(**{**rule, "scored_on": "validation", "parameters_after": left, "units_left": [4, 4], **own})


def tables_of(rows: list[dict]) -> Tables:
    frame = pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()
    return Tables(prepare(Runs("odf2nna", "quick", "s" * 20, "2026-11-22T00:00:00", len(rows), frame)))


def of(table: pd.DataFrame, **where) -> pd.Series:
    for column, value in where.items():
        table = table[table[column].eq(value)]
    [found] = table.to_dict("records")
    return pd.Series(found)


def test_the_smallest_network_without_loss_is_chosen_by_validation_and_told_by_test() -> None:
    tables = tables_of(
        [
            row(validation=0.90, test=0.80),
            smaller(level=0.3, left=700, validation=0.95, test=0.99),
            smaller(level=0.5, left=400, validation=0.90, test=0.70),
            smaller(level=0.7, left=200, validation=0.89, test=0.99),
        ]
    )
    found = of(tables.compression, method=OURS)
    assert (found["parameters_before"], found["parameters_after"], found["compression"]) == (BEFORE, 400, 60)
    assert (found["score_before"], found["score_after"]) == pytest.approx((80, 70))
    assert (found["n"], found["n_found"], found["gain"]) == (1, 1, pytest.approx(-10))


def test_of_a_regression_the_smaller_error_is_better() -> None:
    tables = tables_of(
        [
            row(task="regression", validation=0.50, test=0.40),
            smaller(task="regression", level=0.3, left=700, validation=0.49, test=0.30),
            smaller(task="regression", level=0.5, left=400, validation=0.51, test=0.10),
        ]
    )
    found = of(tables.compression, method=OURS)
    assert (found["parameters_after"], found["score_before"], found["score_after"]) == (700, 0.40, 0.30)
    assert found["gain"] == pytest.approx(25)  # percent of the error


def test_where_nothing_is_without_loss_the_original_counts() -> None:
    tables = tables_of(
        [
            *(row(repeat=repeat, validation=0.9, test=0.8) for repeat in (0, 1)),
            smaller(repeat=0, validation=0.9, test=0.8),
            smaller(repeat=1, validation=0.1, test=0.9),
        ]
    )
    found = of(tables.compression, method=OURS)
    assert (found["n"], found["n_found"], found["parameters_after"], found["compression"]) == (2, 1, 700, 30)
    assert found["score_after"] == pytest.approx(80)


def test_refined_networks_are_judged_on_every_repeat() -> None:
    """Not on those alone where one was as good on validation rows: what loses is not left out."""
    tables = tables_of(
        [
            *(row(repeat=repeat, validation=0.9, test=0.8) for repeat in (0, 1)),
            smaller(repeat=0, level=0.3, left=700, validation=0.95, test=0.9),
            smaller(repeat=0, level=0.5, left=400, validation=0.90, test=0.2),
            smaller(repeat=1, level=0.3, left=700, validation=0.7, test=0.6),
            smaller(repeat=1, level=0.5, left=400, validation=0.6, test=0.5),
        ]
    )
    found = tables.refined_against
    found = of(found[found["level"].isna()], against="original")
    assert (found["n"], found["gain"], found["compression"]) == (2, pytest.approx(-5), pytest.approx(30))


def test_what_stays_the_original_is_so_from_scratch_too() -> None:
    """So means over repeats are of the same repeats."""
    tables = tables_of(
        [
            *(row(repeat=repeat, validation=0.9, test=0.8) for repeat in (0, 1)),
            smaller(repeat=0, validation=0.9, test=0.7),
            smaller(repeat=1, validation=0.1, test=0.1),
            *(row(repeat=each, sparsity="units", units_left=[4, 4], test=0.6, parameters_after=400) for each in (0, 1)),
        ]
    )
    found = of(tables.compression, method=OURS)
    assert (found["score_after"], found["score_scratch"]) == pytest.approx((75, 70))


def test_networks_without_single_weights_have_no_scratch() -> None:
    """They may have all units of a dense network that is much larger."""
    tables = tables_of(
        [
            row(),
            smaller("magnitude_global", compensation="none", units_left=[9, 9]),
            row(sparsity="units", units_left=[9, 9], test=0.6, parameters_after=900),
        ]
    )
    assert np.isnan(of(tables.curves, method="magnitude_global")["score_scratch"])


def test_another_refinement_and_other_rows_to_score_by() -> None:
    """Settings of the sweep: what there is counts as usual, and side by side it is told apart."""
    tables = tables_of([row(), smaller(refinement=0.3, scored_on="training"), row(sparsity="snip", nonzeros_asked=0)])
    assert tables.networks.refinement == 0.3
    assert list(tables.compression["method"]) == [OURS, "snip"]
    both = tables_of([row(), smaller(), smaller(left=300, scored_on="training")])
    assert list(both.compression["method"]) == [OURS, f"{OURS}, scored on training rows"]
    assert tables_of([row(), smaller(refinement=0.3), smaller()]).networks.refinement == PAPERS


def test_networks_are_compared_with_their_own_original_and_scratch() -> None:
    """By repeat, and the same units; from scratch and chosen twice is once."""
    rows = []
    for repeat, shift in ((0, 0.0), (1, 0.1)):
        rows += [
            row(repeat=repeat, validation=0.5, test=0.5 + shift),
            smaller(repeat=repeat, test=0.6 + shift, removed_test=0.3 + shift),
            row(repeat=repeat, sparsity="units", units_left=[4, 4], test=0.55 + shift, parameters_after=400),
            row(repeat=repeat, sparsity="units", units_left=[2, 2], test=0.1, parameters_after=100),
        ]
    rows.append(smaller(repeat=1, test=0.7, network_id="exported", exported_difference=1e-7))
    tables = tables_of(rows)
    assert len(tables.networks.smaller) == 2
    assert tables.networks.smaller["gain"].tolist() == pytest.approx([10, 10])
    assert tables.networks.smaller["removed_gain"].tolist() == pytest.approx([-20, -20])
    assert tables.networks.smaller["gain_scratch"].tolist() == pytest.approx([5, 5])
    found = of(tables.refined_against, against="scratch", level=0.5)
    assert (found["n"], found["gain"]) == (2, pytest.approx(5))
    assert of(tables.curves, method=OURS)["score_scratch"] == pytest.approx(60)


def test_sparse_networks_have_the_levels_of_those_with_as_many_weights() -> None:
    tables = tables_of(
        [
            row(),
            smaller(level=0.5, weights_in_mask=300),
            smaller(level=0.6, weights_in_mask=300),
            smaller(level=0.7, weights_in_mask=200),
            row(sparsity="snip", nonzeros_asked=300, parameters_after=310, test=0.7),
            row(sparsity="rigl", nonzeros_asked=200, parameters_after=210, test=0.6),
        ]
    )
    levels = tables.networks.smaller.groupby("method")["level"].agg(sorted).to_dict()
    assert levels["snip"] == [0.5, 0.6]
    assert levels["rigl"] == [0.7]
    assert of(tables.curves, method="rigl")["compression"] == pytest.approx(79)


def test_criteria_and_compensations_are_kept_apart() -> None:
    tables = tables_of(
        [
            row(),
            smaller(left=500),
            smaller(left=300, criterion="absolute", level=0.1),
            smaller(left=200, compensation="literal"),
            smaller(left=100, refinement=0.3),
            smaller("correlation", compensation="none", left=450),
        ]
    )
    found = tables.compression.set_index("method")["parameters_after"].to_dict()
    assert found == {
        OURS: 500,
        f"{OURS}, absolute": 300,
        f"{OURS}, compensation literal": 200,
        ANY: 300,
        "correlation": 450,
    }
    assert set(tables.scores("compression")) == {OURS, "correlation"}
    assert set(tables.refinement["refinement"]) == {0.0, PAPERS, 0.3}
    assert set(tables.epsilon["criterion"]) == {"share", "absolute"}
    assert len(display.compensations(tables)) == 1


def ranked(gains: dict[str, float], datasets: int = 8) -> Tables:
    """Methods that are by so much better than the original, on every data set and a little more on each."""
    rows = []
    for number in range(datasets):
        name = f"set {number}"
        rows += [row(name, repeat, validation=0.5, test=0.5) for repeat in (0, 1)]
        for method, gain in gains.items():
            compensation = "none" if method not in UNIT_SCORES else "mean"
            own = {"compensation": compensation, "validation": 0.5, "left": int(500 - 1000 * gain)}
            rows += [
                smaller(method, dataset=name, repeat=each, test=0.5 + gain + 0.001 * (number + each), **own)
                for each in (0, 1)
            ]
    return tables_of(rows)


def test_claims_are_judged_on_enough_data_sets() -> None:
    better = ranked({OURS: 0.3, "random_units": 0.1, "taylor": 0.2})
    said = [
        claim
        for own in (claims.removed_without_loss, claims.refined_beats, claims.better_than_rivals)
        for claim in own(better)
    ]
    assert [claim.agrees for claim in said] == [True, True, None, True, True]
    assert "80 % of the parameters go on average, more than 70 % on 8 of 8" in said[0].here
    assert "place 1 of 3 over 8 data sets (rank 1.0); significantly better than 2 of them" in said[3].here
    worse = ranked({OURS: -0.1, "random_units": 0.1, "taylor": 0.2})
    said = [
        claim
        for own in (claims.removed_without_loss, claims.refined_beats, claims.better_than_rivals)
        for claim in own(worse)
    ]
    assert [claim.agrees for claim in said] == [False, False, None, False, False]
    few = ranked({OURS: 0.3, "random_units": 0.1}, datasets=3)
    said = [
        claim
        for own in (claims.removed_without_loss, claims.refined_beats, claims.better_than_rivals)
        for claim in own(few)
    ]
    assert {claim.agrees for claim in said} == {None}


def test_every_method_has_a_name() -> None:
    assert {*UNIT_SCORES, *UNIT_MERGES, *WEIGHT_SCORES, "snip", "lth", "rigl"} == set(LOOKS)


def test_without_originals_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="no original network is finished yet"):
        tables_of([smaller()])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """The quick grid, shortened, as it is trained and resolved."""
    ledger = Ledger(tmp_path_factory.mktemp("odf2nna"), "odf2nna")
    ledger.prepare()
    spaces = configure(STUDY, scale="quick", settings={"max_epochs": ["20"]})
    for _ in range(2):
        found = expand(STUDY, STUDY.resolved(spaces, ledger))
        left = [spec for spec in found.values() if spec.id not in ledger.finished_ids()]
        for key in {spec.cohort_key for spec in left}:
            ledger.write(run_cohort([spec for spec in left if spec.cohort_key == key]))
    frame = pa.concat_tables([record for _, record in ledger.cohorts()]).to_pandas()
    return Runs("odf2nna", "quick", "s" * 20, "2026-11-22T00:00:00", len(found), frame[["network_id", *COLUMNS]])


def test_the_report_before_networks_from_scratch_are_there(runs: Runs, tmp_path: Path) -> None:
    """As it is written when the first part of the grid is done."""
    first = runs.networks[runs.networks["sparsity"].ne("units") & runs.networks["exported_difference"].isna()]
    report(replace(runs, networks=first.reset_index(drop=True)), tmp_path)
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    assert table["score_scratch"].isna().all()
    assert (tmp_path / "figures" / "refined_against.png").exists()


def test_the_report_of_real_networks(runs: Runs, tmp_path: Path) -> None:
    page = report(runs, tmp_path).read_text()
    assert "3 of 118" not in page  # nothing is missing
    for name in ("compression", "curves", "refined_against", "ranks", "epsilon", "refinement"):
        assert len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")), name
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    wanted = ["dataset", "scale", "task", "method", "n", "parameters_before", "parameters_after", "compression"]
    assert set(wanted) | {"score_before", "score_after", "score_scratch"} <= set(table)
    assert table.groupby("dataset")["method"].nunique().tolist() == [5, 5, 5]
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} >= {"without_loss", "curves", "refined_against"}
    ours = table[table["method"].eq(OURS)].set_index("dataset")
    originals = runs.networks[runs.networks["compression"].eq("") & runs.networks["sparsity"].eq("")]
    iris = 100 * originals.loc[originals["dataset"].eq("iris"), "test_accuracy"].astype(float).mean()
    assert ours.loc["iris", "score_before"] == pytest.approx(iris, rel=1e-4)
    assert np.isclose(
        ours["compression"], 100 * (1 - ours["parameters_after"] / ours["parameters_before"]), atol=1e-3
    ).all()
