"""The grid of the ODF2NNA study: what its cells mean, own tables, and what depends on finished work."""

from __future__ import annotations

from collections import Counter

import pytest

from raydensity import data, plan
from raydensity.experiment import run_cohort
from raydensity.grid import cells, configure, expand
from raydensity.ledger import Ledger
from raydensity.models import outline
from raydensity.models.counts import parameter_count
from raydensity.placement import Cluster
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
        ({"dataset": ["../houses.csv"], "target": ["price"]}, "tables are files under the data root"),
        ({"method": ["variance"]}, "compression.method"),
        ({"level": ["1.5"]}, "a share of the units that are removed is less than 1"),
    ],
)
def test_bad_settings_are_one_line(houses, settings, said) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        networks("quick", group=["odf2nna"], **settings)
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
        "odf2nna", scale="quick", networks=second, ledger=Ledger(tmp_path / "new", "odf2nna"), cluster=Cluster(cpus=2)
    )
    assert sum(len(cohort.specs) for cohort in planned.cohorts) == len(second)
    assert {spec.original.id for spec in second.values() if spec.compression} <= set(first)
    rows = [row for _, record in ledger.cohorts() for row in record.to_pylist()]
    sizes = {tuple(row["units_left"]) for row in rows if row["compression"] == "output_deviation" and row["level"]}
    assert {spec.sparsity.kept for spec in second.values() if isinstance(spec.sparsity, Units)} == sizes
    exported = [row for row in rows if row["exported_onnx"]]
    before = next(row for row in rows if not row["compression"] and not row["sparsity"])
    for row in exported:
        assert row["validation_accuracy"] >= before["validation_accuracy"]
        [twin] = [
            each
            for each in rows
            if (each["compression"], each["level"], each["compensation"]) == ("output_deviation", row["level"], "mean")
            and not each["exported_onnx"]
        ]
        assert twin["curve_validation_loss"] == row["curve_validation_loss"]
    assert set(expand(STUDY, STUDY.resolved(spaces, ledger))) == set(second)


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
