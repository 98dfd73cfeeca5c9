"""The analysis of ODF2NNA: what is compared with what, by literal small sweeps."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_odf2nna import BEFORE, FIXED, TOTAL, of, row, smaller, tables_of, trained_on

from analysis.odf2nna import claims, display
from analysis.odf2nna.methods import OURS
from analysis.odf2nna.networks import PAPERS
from analysis.odf2nna.without_loss import ANY, STRICT


def test_the_smallest_network_without_loss_is_chosen_by_validation_and_told_by_test() -> None:
    tables = tables_of(
        [
            row(validation=0.90, test=0.80),
            smaller(level=0.3, left=700, validation=0.95, test=0.99),
            smaller(level=0.5, left=400, validation=0.90, test=0.70),
            smaller(level=0.7, left=200, validation=0.89, test=0.99),
        ]
    )
    found = of(tables.without_loss(STRICT), method=OURS)
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
    found = of(tables.without_loss(STRICT), method=OURS)
    assert (found["parameters_after"], found["score_before"], found["score_after"]) == (700, 0.40, 0.30)
    assert found["gain"] == pytest.approx(25)  # percent of the error


def test_a_tolerance_stands_beside_the_strict_reading() -> None:
    """A point of accuracy, or a percent of the squared error, on validation rows."""
    rows = [
        row(validation=0.91, test=0.8),
        smaller(level=0.3, left=700, validation=0.91, test=0.8),
        smaller(level=0.5, left=400, validation=0.90, test=0.7),
        smaller(level=0.7, left=200, validation=0.899, test=0.9),
    ]
    known = {"dataset": "diabetes", "task": "regression"}
    rows += [
        row(validation=0.500, test=0.4, **known),
        smaller(level=0.3, left=600, validation=0.500, test=0.4, **known),
        smaller(level=0.5, left=300, validation=0.505, test=0.5, **known),
        smaller(level=0.7, left=100, validation=0.506, test=0.5, **known),
    ]
    table = tables_of(rows).named()["compression"]
    left = {
        (dataset, allowed): own for dataset, allowed, own in table[["dataset", "tolerance", "parameters_after"]].values
    }
    assert left == {("iris", 0): 700, ("iris", 1): 400, ("diabetes", 0): 600, ("diabetes", 1): 300}
    assert table["score_after"].tolist() == pytest.approx([80, 70, 0.4, 0.5])
    columns = ["dataset", "scale", "task", "method", "n", "parameters_before", "parameters_after", "compression"]
    assert list(table)[:12] == [*columns, "score_before", "score_after", "score_scratch", "tolerance"]


def test_what_loses_nothing_is_no_compression() -> None:
    """An epsilon may be too small for any unit; the network is then the original, trained on."""
    tables = tables_of([row(), smaller(criterion="absolute", level=0.01, left=BEFORE, units_left=[9, 9])])
    found = of(tables.without_loss(STRICT), method=OURS)
    assert (found["n_found"], found["compression"]) == (0, 0)
    assert tables.refined_against.empty
    assert of(tables.epsilon, criterion="absolute")["compression"] == 0


def test_where_nothing_is_without_loss_the_original_counts() -> None:
    tables = tables_of(
        [
            *(row(repeat=repeat, validation=0.9, test=0.8) for repeat in (0, 1)),
            smaller(repeat=0, validation=0.9, test=0.8),
            smaller(repeat=1, validation=0.1, test=0.9),
        ]
    )
    found = of(tables.without_loss(STRICT), method=OURS)
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
    found = of(found, choice="validation", against="original")
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
    found = of(tables.without_loss(STRICT), method=OURS)
    assert (found["score_after"], found["score_scratch"]) == pytest.approx((75, 70))


def test_networks_without_single_weights_are_compared_with_random_masks() -> None:
    """Of as many weights; they may have all units of a dense network that is much larger."""
    rows = [
        row(),
        smaller(weights_in_mask=300),
        smaller("magnitude_global", compensation="none", units_left=[9, 9], weights_in_mask=300),
        row(sparsity="snip", nonzeros_asked=300, weights_in_mask=299, parameters_after=310),
        row(sparsity="units", units_left=[9, 9], test=0.6, parameters_after=900),
        row(sparsity="units", units_left=[4, 4], test=0.65, parameters_after=400),
    ]
    random = [
        row(sparsity="random", nonzeros_asked=weights, units_left=[9, 9], test=test, parameters_after=310)
        for weights, test in ((300, 0.7), (200, 0.5))
    ]
    for controls, score in (([], np.nan), (random, 70)):
        tables = tables_of([*rows, *controls])
        own = tables.curves.set_index("method")["score_scratch"]
        assert own.to_dict() == pytest.approx({OURS: 65, "magnitude_global": score, "snip": score}, nan_ok=True)
        assert set(tables.compression["method"]) == set(own.index)


def test_originals_that_train_on_are_no_compression_but_a_comparison() -> None:
    rows = []
    for repeat in (0, 1):
        rows += [
            row(repeat=repeat, test=0.5),
            smaller(repeat=repeat, test=0.7 + 0.1 * repeat),
            smaller(repeat=repeat, test=0.9, refinement=0.3),
            trained_on(repeat=repeat, test=0.6),
            trained_on(repeat=repeat, test=0.1, refinement=0.3),
        ]
    tables = tables_of(rows)
    assert set(tables.curves["level"]) == set(tables.epsilon["level"]) == {0.5}
    found = tables.refined_against[tables.refined_against["level"].eq(0.5)].set_index("against")
    assert found["gain"].to_dict() == pytest.approx({"original": 25, "trained_on": 15})
    assert of(tables.without_loss(STRICT), method=OURS)["compression"] == pytest.approx(60)
    assert len(tables.networks.trained_on) == 4
    older = tables_of([each for each in rows if each["level"] or not each["compression"]])
    assert set(older.refined_against["against"]) == {"original"}


def test_of_several_lengths_from_scratch_the_one_as_long_in_all_counts() -> None:
    same = {"sparsity": "units", "units_left": [4, 4], "parameters_after": 400}
    lengths = {130: 0.1, TOTAL: 0.6, 105: 0.2}
    tables = tables_of([row(), smaller(), *(row(test=test, epochs=epochs, **same) for epochs, test in lengths.items())])
    assert of(tables.curves, method=OURS)["score_scratch"] == pytest.approx(60)


def test_originals_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="a repeat of iris has several originals, which differ in max_epochs, 50, 100"):
        tables_of([row(), row(max_epochs=50), smaller()])


def test_a_mean_from_scratch_is_of_all_repeats() -> None:
    """Else it would be compared with that of others."""
    rows = [each for repeat in (0, 1) for each in (row(repeat=repeat), smaller(repeat=repeat))]
    one = row(sparsity="units", units_left=[4, 4], parameters_after=400)
    assert np.isnan(of(tables_of([*rows, one]).curves, method=OURS)["score_scratch"])
    assert of(tables_of([*rows, one]).refined_against, against="scratch", level=0.5)["n"] == 1


def test_another_refinement_and_other_rows_to_score_by() -> None:
    """Settings of the sweep: what there is counts as usual, and side by side it is told apart."""
    tables = tables_of([row(), smaller(refinement=0.3, scored_on="training"), row(sparsity="snip", nonzeros_asked=0)])
    assert tables.networks.refinement == 0.3
    assert list(tables.without_loss(STRICT)["method"]) == [OURS, "snip"]
    both = tables_of([row(), smaller(), smaller(left=300, scored_on="training")])
    assert list(both.without_loss(STRICT)["method"]) == [OURS, f"{OURS}, scored on training rows"]
    assert tables_of([row(), smaller(refinement=0.3), smaller()]).networks.refinement == PAPERS


@pytest.mark.parametrize("others", [{"compensation": "literal"}, {"compensation": "none"}, {"criterion": "relative"}])
def test_another_compensation_and_another_criterion(others) -> None:
    """What there is counts as usual; and beside the usual it is told apart."""
    rows = [each for repeat in (0, 1) for each in (row(repeat=repeat), smaller(repeat=repeat, left=300, **others))]
    rivals = [smaller("taylor", repeat=repeat, **others) for repeat in (0, 1) if "compensation" in others]
    tables = tables_of([*rows, *rivals])
    assert tables.networks.compensation == others.get("compensation", "mean")
    assert tables.ours == OURS
    assert list(tables.without_loss(STRICT)["method"]) == [OURS, *(["taylor"] if rivals else [])]
    assert set(tables.refined_against["choice"]) == {"level", "validation", "none"}
    assert len(tables.epsilon) == 1
    assert claims.removed_without_loss(tables)[0].here.startswith("without loss on validation rows 70 % of the param")
    # Rivals have the usual one: then ODF2NNA's own is not, and is shown all the same.
    if rivals:
        tables = tables_of([*rows, *(smaller("taylor", repeat=repeat) for repeat in (0, 1))])
        assert tables.ours == f"{OURS}, compensation {others['compensation']}"
        assert of(tables.without_loss(STRICT), method=tables.ours)["compression"] == 70
        assert set(tables.refined_against["choice"]) == {"level", "validation", "none"}


def test_two_unusual_compensations_stand_side_by_side() -> None:
    tables = tables_of([row(), smaller(compensation="none", test=0.7), smaller(compensation="literal", test=0.8)])
    assert tables.networks.compensation == "literal"
    assert list(display.compensations(tables)) == [
        "share of the units gone, %",
        *("literal, before refinement", "none, before refinement", "literal, after", "none, after"),
    ]


def test_without_a_choice_the_mean_over_levels_counts() -> None:
    """And from scratch the best by validation, as refined networks are chosen; by hand."""
    rows = [row(validation=0.5, test=0.5), trained_on(test=0.6)]
    for level, units, validation, test, alone in (
        (0.5, 4, 0.9, 0.8, 0.5),
        (0.7, 3, 0.8, 0.4, 0.6),
        (0.9, 2, 0.7, 0.3, 0.1),
    ):
        rows.append(smaller(level=level, left=100 * units, units_left=[units] * 2, validation=validation, test=test))
        size = {"sparsity": "units", "units_left": [units] * 2, "parameters_after": 100 * units}
        rows.append(row(**size, validation=1 - validation, test=alone))
    found = tables_of(rows).refined_against.set_index(["choice", "against"])["gain"]
    assert found["validation"].to_dict() == pytest.approx(
        {"original": 30, "trained_on": 20, "scratch": 30, "best_scratch": 70}
    )
    assert found["none"].to_dict() == pytest.approx({"original": 0, "trained_on": -10, "scratch": 10})


def test_networks_that_lost_their_paths_are_counted() -> None:
    """Of 9-9 units and 3 outputs, with 979 weights: without a path the 3 biases of the outputs are left at most."""
    known = {"weights": BEFORE - 21, "compensation": "none"}
    tables = tables_of(
        [
            row(),
            smaller(**known | {"compensation": "mean"}, connected_nonzeros=400, disconnected_units=[0, 0]),
            *(
                smaller("magnitude_global", level, **known, connected_nonzeros=nonzeros, disconnected_units=units)
                for level, nonzeros, units in ((0.5, 40, [0, 0]), (0.7, 9, [2, 1]), (0.9, 3, [4, 0]))
            ),
            smaller("optimal_brain_damage", **known, connected_nonzeros=40, disconnected_units=[1, 0]),
        ]
    )
    assert tables.paths.to_dict("list") == {
        "method": ["magnitude_global", "optimal_brain_damage"],
        **{"networks": [3, 1], "disconnected": [2, 1], "constant": [1, 0]},
    }
    assert display.constants(tables).endswith("rank as all do: 1 of magnitude, global.")
    assert display.constants(tables_of([row(), smaller()])) == "No network is constant."


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
    found = tables.without_loss(STRICT).set_index("method")["parameters_after"].to_dict()
    assert found == {
        OURS: 500,
        f"{OURS}, absolute": 300,
        f"{OURS}, compensation literal": 200,
        ANY: 300,
        "correlation": 450,
    }
    assert set(tables.scores["compression"]) == {OURS, "correlation"}
    assert set(tables.refinement["refinement"]) == {0.0, PAPERS, 0.3}
    assert set(tables.epsilon["criterion"]) == {"share", "absolute"}
    assert len(display.compensations(tables)) == 1


def test_without_originals_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="no original network is finished yet"):
        tables_of([smaller()])


def test_what_rivals_do_without_compensation_is_told_apart() -> None:
    rows = [row(), smaller("taylor", test=0.8), smaller("taylor", test=0.4, compensation="none")]
    assert list(tables_of(rows).curves["method"]) == ["taylor", "taylor, compensation none"]


def test_methods_are_ranked_by_the_repeats_and_levels_that_all_have() -> None:
    """Else a method whose worst networks diverged would seem better."""
    rows = []
    for repeat in (0, 1):
        rows += [row(repeat=repeat, test=0.9)]
        for level, test in ((0.5, 0.8), (0.9, 0.2)):
            rows.append(smaller(repeat=repeat, level=level, test=test))
            if repeat == 0 or level == 0.5:
                rows.append(smaller("taylor", repeat=repeat, level=level, test=test - 0.1))
    found = tables_of(rows).scores["gain"].loc["iris"]
    assert found.to_dict() == pytest.approx({OURS: (2 * -10 - 70) / 3, "taylor": (2 * -20 - 80) / 3})


@pytest.mark.parametrize(("table", "drawn"), [({}, 15 / 70), (FIXED, 0)])
def test_repeats_that_share_rows_make_tests_less_sure(table, drawn) -> None:
    """Five differences of 1 to 5 points: plain t = 3 / sqrt(2.5 / 5), corrected 3 / sqrt(2.5 (1 / 5 + 15 / 70))."""
    rows = []
    for repeat in range(5):
        rows += [row(repeat=repeat, test=0.5, table=table)]
        rows += [smaller(repeat=repeat, test=0.51 + 0.01 * repeat, table=table)]
    tables = tables_of(rows)
    assert tables.networks.test_to_training["iris"] == pytest.approx(drawn)
    found = of(tables.refined_against, level=0.5)
    assert found["p"] == pytest.approx(0.01324 if table else 0.04206, abs=1e-5)
    half = 2.776445 * np.sqrt(2.5 * (0.2 + drawn))
    assert (found["gain_low"], found["gain_high"]) == pytest.approx((3 - half, 3 + half))
    curve = of(tables.curves, method=OURS)
    assert (curve["score_low"], curve["score_high"]) == pytest.approx((53 - half, 53 + half))
