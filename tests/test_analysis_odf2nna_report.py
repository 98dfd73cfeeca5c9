"""The analysis of ODF2NNA: its claims and figures, and the page of real networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_odf2nna import row, smaller, sweep, tables_of, trained_on

from analysis.odf2nna import claims
from analysis.odf2nna.against_compression import against_compression
from analysis.odf2nna.methods import LOOKS, OURS
from analysis.odf2nna.refined import OTHERS
from analysis.odf2nna.report import COLUMNS, report
from analysis.odf2nna.tables import Tables
from analysis.report import Claim
from analysis.runs import Runs
from raydensity.experiment import run_cohort
from raydensity.grid import configure, expand
from raydensity.ledger import Ledger
from raydensity.record import SCHEMA
from raydensity.spec.compression import UNIT_MERGES, UNIT_SCORES, WEIGHT_SCORES
from sweeps.odf2nna import STUDY


def ranked(gains: dict[str, float], datasets: int = 8, on: float | None = None) -> Tables:
    """Methods that are by so much better than the original, on every data set and a little more on each; and, if it is
    there, the original trained `on`."""
    rows = []
    for number in range(datasets):
        name = f"set {number}"
        rows += [row(name, repeat, validation=0.5, test=0.5) for repeat in (0, 1)]
        if on is not None:
            rows += [trained_on(dataset=name, repeat=repeat, test=0.5 + on) for repeat in (0, 1)]
        for method, gain in gains.items():
            compensation = "none" if method not in UNIT_SCORES else "mean"
            own = {"compensation": compensation, "validation": 0.5, "left": int(500 - 1000 * gain)}
            rows += [
                smaller(method, dataset=name, repeat=each, test=0.5 + gain + 0.001 * (number + each), **own)
                for each in (0, 1)
            ]
    return tables_of(rows)


def claimed(tables: Tables) -> list[Claim]:
    """Two readings of without loss, four that refined networks are held against, three measures of ranks."""
    said = (claims.removed_without_loss, claims.refined_beats, claims.better_than_rivals)
    return [claim for own in said for claim in own(tables)]


def test_claims_are_judged_on_enough_data_sets() -> None:
    said = claimed(ranked({OURS: 0.3, "random_units": 0.1, "taylor": 0.2}))
    assert [claim.agrees for claim in said] == [True, True, True, None, None, None, True, True, True]
    assert "80 % of the parameters go on average, more than 70 % on 8 of 8" in said[0].here
    assert "against the original trained on as long: nothing to compare with was trained" in said[3].here
    assert "place 1 of 3 over 8 data sets (rank 1.0); significantly better than 2 of them" in said[6].here
    said = claimed(ranked({OURS: -0.1, "random_units": 0.1, "taylor": 0.2}))
    assert [claim.agrees for claim in said] == [False, False, False, None, None, None, False, False, False]
    assert {claim.agrees for claim in claimed(ranked({OURS: 0.3, "random_units": 0.1}, datasets=3))} == {None}


def test_refined_networks_may_be_better_for_having_trained_on() -> None:
    for on, agrees in ((0.1, True), (0.4, False)):
        [original, trained, *_] = claims.refined_beats(ranked({OURS: 0.3}, on=on))
        assert (original.agrees, trained.agrees) == (True, agrees)
        assert original.paper == trained.paper


def test_the_best_that_is_not_significantly_better_has_no_verdict() -> None:
    shared = claimed(ranked({OURS: 0.1, "random_units": 0.1, "taylor": 0.1, "outgoing_l1": 0.0}, datasets=6))
    assert "place 1 of 4 over 6 data sets (rank 2.0); significantly better than 1 of them" in shared[-1].here
    assert {claim.agrees for claim in shared[-3:]} == {None}


def test_what_differs_does_so_significantly() -> None:
    """Second of three by a little, and better on half of the data sets, is no verdict."""
    tables = ranked({OURS: 0.1, "random_units": 0.2, "taylor": 0.0}, datasets=6)
    found = claims.better_than_rivals(tables)
    assert "place 2 of 3 over 6 data sets" in found[-1].here
    assert {claim.agrees for claim in found} == {None}
    rows = []
    for number in range(8):
        common = {"dataset": f"set {number}", "validation": 0.5}
        left = 200 if number < 3 else 600  # more than 70 % of the parameters go on three of eight
        rows += [row(**common, test=0.5), smaller(**common, left=left, test=0.52 if number < 3 else 0.48)]
    tables = tables_of(rows)
    for claim in (claims.refined_beats(tables)[0], *claims.removed_without_loss(tables)):
        assert claim.agrees is None
    assert "it is better on 3 and worse on 5" in claims.refined_beats(tables)[0].here


def test_the_best_of_many_equals_is_not_better() -> None:
    """Refined networks, originals and networks from scratch that are alike but for luck, which validation and test rows
    share: the best of many refined ones is better than one that nothing was chosen of, and that is no finding."""
    random, rows = np.random.default_rng(5), []
    for number, repeat in np.ndindex(10, 3):
        known = {"dataset": f"set {number}", "repeat": repeat}

        def lucky(known=known) -> dict:
            score = 0.5 + 0.05 * random.standard_normal()
            return {**known, "validation": score, "test": score}

        rows += [row(**lucky()), trained_on(**lucky())]
        for level in (0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
            size = {"units_left": [round(10 - 10 * level)] * 2}
            rows += [smaller(level=level, **size, **lucky())]
            rows += [row(sparsity="units", parameters_after=400, **size, **lucky())]
    said = claims.refined_beats(tables_of(rows))
    assert len(said) == 4
    for claim in said:
        assert claim.agrees is not True
    for claim in said[:3]:
        chosen, unchosen = claim.here.split("without a choice, mean over levels")
        assert "is better on 10 and worse on 0" in chosen
        assert "p = 0.0010" not in unchosen


def test_every_method_has_a_name() -> None:
    assert {*UNIT_SCORES, *UNIT_MERGES, *WEIGHT_SCORES, "snip", "lth", "rigl"} == set(LOOKS)


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
    return Runs(
        "odf2nna",
        "quick",
        "s" * 20,
        "2026-11-22T00:00:00",
        len(found),
        frame[["network_id", *COLUMNS]],
    )


def test_the_report_before_networks_from_scratch_are_there(runs: Runs, tmp_path: Path) -> None:
    """As it is written when the first part of the grid is done."""
    rows = runs.networks
    controls = rows["compression"].ne("") & rows["level"].eq(0)
    first = rows[rows["sparsity"].ne("units") & rows["exported_difference"].isna() & ~controls]
    page = report(replace(runs, networks=first.reset_index(drop=True)), tmp_path).read_text()
    assert "planned networks have no finished run yet" in page
    assert "No network was exported" in page
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    assert table["score_scratch"].isna().all()
    assert (tmp_path / "figures" / "refined_against.png").exists()


def test_the_report_of_real_networks(runs: Runs, tmp_path: Path) -> None:
    page = report(runs, tmp_path).read_text()
    assert "planned networks have no finished run yet" not in page
    assert page.count("Friedman&#39;s test that all are alike: p ") == 3
    exported = runs.networks[runs.networks["exported_difference"].notna()]
    assert len(exported)
    for network in exported["network_id"]:
        assert network in page
    for name in ("compression", "curves", "refined_against", "ranks", "epsilon", "refinement"):
        assert len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")), name
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    wanted = ["dataset", "scale", "task", "method", "n", "parameters_before", "parameters_after", "compression"]
    assert list(table)[:11] == [*wanted, "score_before", "score_after", "score_scratch"]
    assert table.groupby("dataset")["method"].nunique().tolist() == [5, 5, 5]
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} >= {"without_loss", "curves", "refined_against"}
    ours = table[table["method"].eq(OURS) & table["tolerance"].eq(0)].set_index("dataset")
    against = pd.read_csv(tmp_path / "tables" / "refined_against.csv")
    others = ("original", "trained_on", "scratch", "best_scratch")
    assert against.groupby("against")["dataset"].nunique().to_dict() == dict.fromkeys(others, 3)
    originals = runs.networks[runs.networks["compression"].eq("") & runs.networks["sparsity"].eq("")]
    iris = 100 * originals.loc[originals["dataset"].eq("iris"), "test_accuracy"].astype(float).mean()
    assert ours.loc["iris", "score_before"] == pytest.approx(iris, rel=1e-4)
    assert np.isclose(
        ours["compression"], 100 * (1 - ours["parameters_after"] / ours["parameters_before"]), atol=1e-3
    ).all()


def test_every_method_is_drawn_with_its_intervals() -> None:
    """Against compression: a row a data set, a column a family, each method once in each row."""
    tables = tables_of(sweep(3, ("iris", "diabetes")))
    figure = against_compression(tables)
    heads, rows = figure.axes[:5], [figure.axes[5:10], figure.axes[10:15]]
    named = [text.get_text() for head in heads for text in head.get_legend().get_texts()]
    assert sorted(named) == sorted(look.name for method, look in LOOKS.items() if method != OURS)
    for dataset, panels in zip(tables.networks.datasets, rows, strict=True):
        own = tables.curves[tables.curves["dataset"].eq(dataset)].set_index("method")
        drawn = [container for panel in panels for container in panel.containers]
        assert len(drawn) == len(LOOKS) - 1
        for name, container in zip(named, drawn, strict=True):
            [method] = [method for method, look in LOOKS.items() if look.name == name]
            line, _, [bars] = container
            assert line.get_ydata().tolist() == own.loc[method, "score_after"].tolist()
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            assert ends == pytest.approx(own.loc[method, ["score_low", "score_high"]].to_numpy())
            assert (ends[:, 1] > ends[:, 0]).all()


@pytest.mark.parametrize("controls", [True, False])
def test_the_report_with_and_without_controls(tmp_path: Path, controls) -> None:
    rows = sweep(3, ("iris", "diabetes"), controls=controls)
    tables = tables_of(rows)
    said = claims.refined_beats(tables)
    assert [
        claim.here.startswith(f"against {words}: of 2 data sets")
        for claim, words in zip(said, (other.words for other in OTHERS.values()), strict=True)
    ] == [True, controls, True, True]
    frame = pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()[["network_id", *COLUMNS]]
    report(Runs("odf2nna", "reduced", "s" * 20, "2026-11-22T00:00:00", len(rows), frame), tmp_path)
    pictures = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert pictures >= {"curves", "without_loss", "refined_against", "ranks_gain", "ranks_compression_tolerated"}
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    assert table.groupby(["dataset", "tolerance"])["method"].nunique().eq(len(LOOKS)).all()
    assert table.loc[table["method"].isin(["snip", "magnitude_global"]), "score_scratch"].notna().all() == controls


def test_what_a_rule_refuses_is_told(tmp_path: Path) -> None:
    """By data set, criterion and level, with the reason of one."""
    lost = {"status": "emptied", "criterion": "absolute", "parameters_after": None, "units_left": None}
    said = "level: fc1 loses all its 9 units at absolute level 0.5"
    rows = [row(), smaller(), row("wine"), smaller(level=0.9, **lost, refused=None, dataset="wine")]
    rows += [smaller(level=level, repeat=repeat, **lost, refused=said) for level in (0.5, 0.9) for repeat in (0, 1)]
    frame = pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()[["network_id", *COLUMNS]]
    page = report(Runs("odf2nna", "quick", "s" * 20, "2026-11-22T00:00:00", len(rows), frame), tmp_path).read_text()
    assert "5 networks would have lost all units of a layer, which their rule refuses: " in page
    assert f"iris, absolute 0.5 (2), 0.9 (2); wine, absolute 0.9 (1). The first: {said}." in page


@pytest.mark.parametrize(
    "made",
    [
        [],
        [smaller()],
        [smaller("taylor")],
        [trained_on()],
        [row(sparsity=name, nonzeros_asked=3, parameters_after=4) for name in ("random", "snip")],
    ],
)
def test_the_report_of_a_part_of_the_sweep(tmp_path: Path, made) -> None:
    rows = [row(), *made]
    frame = pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()[["network_id", *COLUMNS]]
    report(Runs("odf2nna", "quick", "s" * 20, "2026-11-22T00:00:00", len(rows), frame), tmp_path)
    table = pd.read_csv(tmp_path / "tables" / "compression.csv")
    assert len(table) == 2 * any(each["level"] or each["sparsity"] == "snip" for each in made)
