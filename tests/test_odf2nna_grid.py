"""The grid of the ODF2NNA study: what its cells mean, own tables, and what depends on finished work."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from raydensity import data, plan
from raydensity.experiment import run_cohort
from raydensity.grid import cells, configure, expand
from raydensity.ledger import Ledger
from raydensity.measures.loss_of_compression import TOLERANCE
from raydensity.models import outline
from raydensity.models.counts import parameter_count
from raydensity.placement import Node
from raydensity.record import RECORD_VERSION, SCHEMA
from raydensity.spec import NetworkSpec
from raydensity.spec.sparsity import LTH, SNIP, Random, RigL, Units
from sweeps.odf2nna import FOUND, RIVALS, SHARES, SPACES, STUDY, TABLES

SMALL = {"dataset": ["iris"], "repeat": ["0"], "max_epochs": ["4"]}
TRAINED = ["original", "odf2nna", "trained_on", "rivals", "from_start"]  # that depend on no results


def networks(scale, **settings):
    return list(expand(STUDY, configure(STUDY, scale=scale, settings=settings)).values())


def test_general_models_have_about_as_many_parameters_as_training_rows() -> None:
    for size in (1, 4):
        for spec in networks("quick", group=["original"], size=[str(size)]):
            known = data.describe(spec.dataset)
            found = parameter_count(outline(spec.architecture, known))
            units = spec.architecture.hidden[0]
            assert spec.architecture.hidden == (units, units)
            # One unit a layer more or less is further away.
            assert abs(found - size * known.fitted_size) <= known.input_shape[0] + 2 * units + 2 + known.logits


def test_each_original_is_compressed_in_every_way() -> None:
    specs = networks("reduced", group=TRAINED, dataset=["breast_cancer"], repeat=["3"])
    rules = Counter(spec.compression.method for spec in specs if spec.compression)
    assert rules.pop("output_deviation") == 6 * (3 + 3) + 6 + 6 + 1
    assert rules == dict.fromkeys(RIVALS, len(SHARES))
    assert len(RIVALS) == 15
    sparse = Counter(spec.sparsity.name for spec in specs if spec.sparsity)
    assert sparse == {"random": 6, "snip": 6, "lth": 6, "rigl": 6}
    # All that comes after training is made of one original, in one cohort.
    assert len({spec.cohort_key for spec in specs if not spec.sparsity}) == 1
    assert len({spec.original.id for spec in specs if not spec.sparsity}) == 1


def test_all_that_is_compared_has_as_many_epochs() -> None:
    specs = networks("reduced", group=TRAINED, dataset=["wine"], repeat=["0"])
    [original] = [spec for spec in specs if not spec.compression and not spec.sparsity]
    total = original.total_epochs + round(0.15 * original.total_epochs)
    for spec in specs:
        if isinstance(spec.sparsity, Random | SNIP | RigL):
            assert spec.total_epochs == total
        if isinstance(spec.sparsity, LTH):
            assert total - 3 < spec.total_epochs <= total


def test_sparse_networks_have_as_many_weights_as_compressed_ones() -> None:
    specs = networks("reduced", group=TRAINED, **SMALL, level=["0.5", "0.9"])
    rows = run_cohort([s for s in specs if s.compression and s.compression.method in ("taylor", "magnitude_global")])
    counts = {(row["compression"], row["level"]): row["weights_in_mask"] for row in rows.to_pylist()}
    asked = sorted(spec.sparsity.nonzeros for spec in specs if isinstance(spec.sparsity, SNIP))
    for method in ("taylor", "magnitude_global"):
        assert [counts[method, 0.9], counts[method, 0.5]] == asked


def test_settings_of_a_rule_leave_alone_what_loses_nothing() -> None:
    """An original that trains on is the control of every rule, and of none the victim."""
    settings = {"level": ["0.5"], "criterion": ["relative"], "method": ["output_deviation"], "compensation": ["none"]}
    [usual] = [spec.id for spec in networks("quick", **SMALL, group=["trained_on"])]
    for factor, levels in settings.items():
        found = networks("quick", **SMALL, group=["odf2nna", "trained_on"], **{factor: levels})
        assert [spec.id for spec in found if spec.compression.level == 0] == [usual], factor
    with pytest.raises(ValueError, match="--set level: no network that was chosen depends on it"):
        networks("quick", **SMALL, group=["trained_on"], level=["0.5"])


def test_an_original_that_trains_on_loses_nothing() -> None:
    specs = networks("quick", group=["original", "trained_on"], dataset=["iris"], repeat=["0"], max_epochs=["20"])
    original, on = run_cohort(specs).to_pylist()
    assert on["parameters_after"] == original["parameters"]
    assert on["removed_validation_loss"] == pytest.approx(original["validation_loss"], rel=1e-6)
    assert on["epochs"] == round(0.15 * original["max_epochs"])
    assert on["curve_train_loss"][-1] < original["curve_train_loss"][-1]


def test_repeats_see_other_rows_and_start_otherwise() -> None:
    first, second = networks("quick", group=["original"], dataset=["iris"])
    for seed in ("init_seed", "data_seed", "order_seed", "prune_seed"):
        assert getattr(first, seed) != getattr(second, seed)
    assert first.cohort_key != second.cohort_key


# Own tables, and bad ones ---------------------------------------------------------------------------------------------


@pytest.fixture
def houses(tmp_path, monkeypatch):
    monkeypatch.setenv("RAYDENSITY_DATA", str(tmp_path))
    lines = [f"{row},{20 + row % 7},{('Ulm', 'Bonn')[row % 2]},{row / 4}" for row in range(40)]
    (tmp_path / "houses.csv").write_text("id,age,town,price\n" + "\n".join(lines))
    return tmp_path


def test_a_table_of_ones_own(houses) -> None:
    own = {"dataset": ["houses.csv"], "target": ["price"], "task": ["regression"], "dropped": ["id"]}
    first, _ = networks("quick", group=["original"], **own)
    assert (first.dataset.title, first.dataset.rows, first.dataset.inputs) == ("houses: price", 40, 3)
    assert first.is_regression
    [row] = run_cohort([first]).to_pylist()
    assert (row["dataset"], row["task"], row["status"]) == ("houses: price", "regression", "finished")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": ["mtcars"]}, "'mtcars' is neither a CSV or Parquet file nor one of iris, wine"),
        ({"dataset": ["houses.csv"]}, "which column of houses.csv is to be answered"),
        ({"dataset": ["houses.csv"], "target": ["price"], "task": ["ranking"]}, "'ranking' is neither"),
        ({"dataset": ["houses.csv"], "target": ["cost"]}, "there is no column 'cost'; there is id, age, town, price"),
        ({"dataset": ["cars.csv"], "target": ["price"]}, "cars.csv is missing"),
        ({"dataset": ["../houses.csv"], "target": ["price"]}, "data are files under the data root"),
        ({"method": ["variance"]}, "compression.method"),
        ({"level": ["1.5"]}, "a share of the units that are removed is less than 1"),
        ({"method": ["snip"]}, "'snip' starts from random weights; choose its group, as --scale reduced --set group="),
        (
            {"method": ["taylor"], "criterion": ["relative"]},
            "'taylor' knows a share alone, no relative level; choose its group, as --set group=rivals",
        ),
        (
            {"group": ["rivals"], "criterion": ["relative"]},
            "'relative' is for output_deviation; choose its group, as --set group=odf2nna",
        ),
        ({"scale": "reduced", "method": ["taylor"], "group": None}, "no absolute level; choose its group, as --set gr"),
        (
            {"scale": "reduced", "method": ["taylor"], "group": ["from_start"]},
            "'taylor' is none of random, snip, lth, rigl; choose its group, as --set group=rivals",
        ),
        ({"group": ["chosen"], "chosen": ["share"]}, "--set chosen: 'share' is not like share:0.5, or share:0.5:none"),
    ],
)
def test_bad_settings_are_one_line(houses, settings, said) -> None:
    asked = {"scale": "quick", "group": ["odf2nna"], "dataset": ["iris"], **settings}
    with pytest.raises(ValueError, match=r".") as caught:
        networks(**{name: levels for name, levels in asked.items() if levels is not None})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_known_tables_say_where_their_files_belong(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RAYDENSITY_DATA", str(tmp_path))
    for name, known in TABLES.items():
        if not known["source"].startswith("scikit-learn/"):
            with pytest.raises(ValueError, match=rf"{known['source']} is missing"):
                networks("quick", group=["original"], dataset=[name])


# What depends on results ----------------------------------------------------------------------------------------------


def run_all(ledger: Ledger, spaces) -> dict:
    found = expand(STUDY, STUDY.resolved(spaces, ledger))
    left = [spec for spec in found.values() if spec.id not in ledger.finished_ids()]
    for key in {spec.cohort_key for spec in left}:
        ledger.write(run_cohort([spec for spec in left if spec.cohort_key == key]))
    return found


def test_scratch_and_chosen_follow_the_results(tmp_path) -> None:
    ledger = Ledger(tmp_path, "odf2nna")
    ledger.prepare()
    spaces = configure(STUDY, scale="quick", settings=SMALL)
    first = run_all(ledger, spaces)
    assert not any(isinstance(spec.sparsity, Units) or "export" in spec.measures for spec in first.values())
    second = run_all(ledger, spaces)
    assert set(first) < set(second)
    planned = plan.make(
        "odf2nna", scale="quick", networks=second, ledger=Ledger(tmp_path / "new", "odf2nna"), nodes=[Node(cpus=2)]
    )
    assert sum(len(cohort.specs) for cohort in planned.cohorts) == len(second)
    assert {spec.original.id for spec in second.values() if spec.compression} <= set(first)
    rows = [row for _, record in ledger.cohorts() for row in record.to_pylist()]
    sizes = {tuple(row["units_left"]) for row in rows if row["compression"] == "output_deviation" and row["level"]}
    assert {spec.sparsity.kept for spec in second.values() if isinstance(spec.sparsity, Units)} == sizes
    exported = [row for row in rows if row["exported_onnx"]]
    before = next(row for row in rows if not row["compression"] and not row["sparsity"])
    for row in exported:
        assert row["validation_accuracy"] >= before["validation_accuracy"] - TOLERANCE / 100 - 1e-9
        [twin] = [
            each
            for each in rows
            if (each["compression"], each["level"], each["compensation"]) == ("output_deviation", row["level"], "mean")
            and not each["exported_onnx"]
        ]
        assert twin["curve_validation_loss"] == row["curve_validation_loss"]
    assert set(expand(STUDY, STUDY.resolved(spaces, ledger))) == set(second)


def finished(folder: Path, accuracies: dict[int, list[float]], **settings) -> Ledger:
    """A ledger of iris as if originals had trained to a validation accuracy of 0.9, and what odf2nna made of each, by
    repeat, to these: the smaller the later."""
    ledger = Ledger(folder, "odf2nna")
    ledger.prepare()
    given = {**SMALL, "repeat": [str(repeat) for repeat in accuracies], **settings}
    rows = []
    for spec in networks("quick", group=["original", "odf2nna"], **given):
        left = [len(accuracies[spec.init_seed])]
        score = accuracies[spec.init_seed].pop(0) if spec.compression else 0.9
        result = {"validation_accuracy": score, "validation_loss": 1 - score, "units_left": left * 2}
        result |= {"parameters": 100, "parameters_after": 10 * left[0], "original_id": spec.original.id}
        rows.append({"network_id": spec.id, **spec.factors(), "status": "finished", **result})
    common = {"cohort_id": "made", "record_version": RECORD_VERSION, "converged": True}
    ledger.write(pa.Table.from_pylist([row | common for row in rows], schema=SCHEMA))
    return ledger


def exported(ledger: Ledger, **settings) -> list[NetworkSpec]:
    """What the group `chosen` is after these results."""
    spaces = configure(STUDY, scale="quick", settings={**SMALL, **settings, "group": ["chosen"]})
    return list(expand(STUDY, STUDY.resolved(spaces, ledger)).values())


def test_what_is_exported_is_without_loss_or_nearly(tmp_path) -> None:
    """Of repeat 0 the smallest without loss, of 1 the smallest within a point; of 2 there is none."""
    ledger = finished(tmp_path, {0: [0.95, 0.9, 0.895], 1: [0.893, 0.895, 0.7], 2: [0.8, 0.8, 0.8]})
    found = exported(ledger, repeat=["0", "1", "2"])
    assert [(spec.init_seed, spec.compression.level) for spec in found] == [(0, 0.7), (1, 0.7)]
    assert {spec.compression.compensation for spec in found} == {"mean"}
    with pytest.raises(ValueError, match=r"is without loss on validation rows, or within 1 point .* in repeats 2 of i"):
        exported(ledger, repeat=["2"])
    with pytest.raises(ValueError, match="depends on those of the group odf2nna, which are not there"):
        exported(ledger, repeat=["3"])


@pytest.mark.parametrize("ways", [["literal"], ["literal", "none"], ["none"], ["none", "mean"]])
def test_what_is_exported_has_the_compensation_that_there_is(tmp_path, ways) -> None:
    """The very network, every digit of its level included."""
    level = "0.123456789"
    ledger = finished(tmp_path, {0: [0.95] * len(ways)}, compensation=ways, level=[level])
    [spec] = exported(ledger)
    [twin] = networks(
        "quick",
        **SMALL,
        group=["odf2nna"],
        level=[level],
        compensation=[max(ways, key=["none", "literal", "mean"].index)],
    )
    assert spec.compression == twin.compression
    assert spec.original.id == twin.original.id


def test_without_results_there_is_nothing_to_follow(tmp_path) -> None:
    spaces = configure(STUDY, scale="quick", settings={**SMALL, "group": ["scratch"]})
    with pytest.raises(ValueError, match="depends on those of the group odf2nna"):
        STUDY.resolved(spaces, Ledger(tmp_path, "odf2nna", readonly=True))


def test_sizes_can_be_given() -> None:
    [spec] = networks("quick", group=["scratch"], units=["3-2"], **SMALL)
    assert spec.sparsity == Units(kept=(3, 2))
    with pytest.raises(ValueError, match="'3x2' is not like 17-9"):
        networks("quick", group=["scratch"], units=["3x2"], **SMALL)


def test_placeholders_stand_in_their_groups_alone() -> None:
    for spaces in SPACES.values():
        for space in spaces:
            [group] = space["group"]["grid_search"]
            assert (FOUND in space.values()) == (group in ("scratch", "chosen"))
            assert sum(1 for _ in cells(space))
