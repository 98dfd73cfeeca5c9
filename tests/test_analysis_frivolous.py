"""The frivolous study's tables: panels, exact power laws, and literal values."""

import numpy as np
import pandas as pd
import pytest
from synthetic import pulled
from synthetic_frivolous import UNITS, alexnet, mlp, network, records, residual, unit_images

from analysis.frivolous import curves, display
from analysis.frivolous.gain import MEASURES, WIDTHS
from analysis.frivolous.networks import SEEDS, SETTINGS, Tolerances, measure, prepare
from analysis.frivolous.panels import PANELS
from analysis.frivolous.published import epochs
from analysis.frivolous.report import COLUMNS
from analysis.frivolous.tables import BESIDE, Tables
from raydensity.grid import configure, expand
from raydensity.spec import SGD, Adam, Exponential, ImageFolder, InceptionV3, ResNet18, ResNet56
from sweeps.frivolous import STUDY

TABLE_COLUMNS = {
    "frivolity": "dataset scale panel curve layer width n_train n accuracy train_accuracy prunability redundancy "
    "non_prunability non_redundancy accuracy_std train_accuracy_std prunability_std redundancy_std "
    "non_prunability_std non_redundancy_std published_prunability published_redundancy published_accuracy "
    "published_train_accuracy short",
    "gain": "dataset scale panel curve measure n_ratios g g_error g_half_width published_g_min published_g_max "
    "published_g g_here published_g_here short papers",
    "networks_measured": " ".join(
        ["network_id dataset architecture width", *SETTINGS, *SEEDS, "accuracy prunability redundancy"]
    ),
    "choices": "dataset scale panel curve width setting chosen n_levels at_edge validation_accuracy",
    "ablation": "dataset scale panel curve width removed n unchanged unchanged_std published_unchanged",
    "correlation": "dataset scale panel curve layer width n correlation correlation_std published_correlation",
    "narrowing": "dataset scale panel curve width way n left same_answers accuracy change change_std",
    "interpretability": "dataset scale panel curve layer measure narrow wide units_narrow units_wide silent_narrow "
    "silent_wide mean_narrow mean_wide statistic p",
    "tolerances": "dataset scale panel curve measure by_position tolerance default n_ratios g g_here at_0.25x at_0.5x "
    "at_1x at_2x at_4x",
}

SOME_CLASSES = ImageFolder(classes=100, train=126_689, test=5_000)


def runs(rows, *, scale="reduced", planned=None):
    return pulled("frivolous", records(rows), COLUMNS, scale=scale, planned=planned)


def made(rows, **arguments):
    return Tables(prepare(runs(rows, **arguments)))


def picked(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def panels_of(rows, **arguments):
    """Panels and curves that the networks are in."""
    table = made(rows, **arguments).frivolity
    return {(panel, curve) for panel, curve in zip(table["panel"], table["curve"], strict=True)}


def test_tables_have_the_columns_that_others_rely_on():
    named = made([network(alexnet(0.25)), network(mlp(1))]).named()
    assert {name: " ".join(table.columns) for name, table in named.items()} == TABLE_COLUMNS


@pytest.mark.parametrize(("prunable", "redundant"), [(0.5, 0.25), (0.0, 0.0), (1.0, 0.5)])
def test_exact_power_laws_have_their_gain(prunable, redundant):
    """Shares that grow as a power of the width: the number of units grows by a power more."""
    rows = [
        network(
            alexnet(width, initializer=name),
            prunable=0.2 * width**prunable,
            redundant=round(UNITS * 0.4 * width**redundant) / UNITS,
        )
        for width in WIDTHS
        for name in ("glorot_normal", "he_normal")
    ]
    gains = picked(made(rows).gain, panel="fig_4c").set_index(["curve", "measure"])
    for curve in ("Glorot", "He"):
        assert gains.loc[(curve, "prunability"), "g"] == pytest.approx(2 ** (1 + prunable))
        assert gains.loc[(curve, "redundancy"), "g"] == pytest.approx(2 ** (1 + redundant), rel=0.005)
        assert list(gains.loc[curve]["n_ratios"]) == [4, 3, 4, 3]
        if prunable == redundant == 0:
            assert list(gains.loc[curve]["g"]) == pytest.approx([2, 2, 2, 2])
    low_high = ["published_g_min", "published_g_max", "published_g"]
    assert gains.loc[("Glorot", "prunability"), low_high].tolist() == [2.29, 2.81, 2.81]
    assert gains["g"].equals(gains["g_here"])


def test_a_point_by_hand():
    """Width 1/2, so that all units are 1/8; two seeds, the best of two repeats, two layers unlike the others."""
    layers = {"conv2": (0.5, 0.75), "fc2": (0.25, 0.5)}
    rows = [
        network(alexnet(0.5, seed=0), prunable=[0.2, 0.4], redundant=[0.25, 0.25], by_layer=layers, accuracy=0.8),
        network(alexnet(0.5, seed=1), prunable=[0.6, 0.1], redundant=[0.25, 0.25], by_layer=layers, accuracy=0.7),
    ]
    tables = made(rows)
    point = picked(tables.frivolity, panel="fig_4c").iloc[0]
    assert list(point[["dataset", "scale", "curve", "layer"]]) == ["cifar10_file_order", "reduced", "Glorot", "all"]
    assert list(point[["width", "n_train", "n"]]) == [0.5, 47_500, 2]
    assert point["prunability"] == pytest.approx(0.5 / 8)
    assert point["prunability_std"] == pytest.approx(np.sqrt(2) * 0.1 / 8)
    assert point["non_prunability"] == pytest.approx(0.5 / 8)
    shares = np.tile([0.25, 0.75, 0.25, 0.5], 4) / 8
    assert point["redundancy"] == pytest.approx(shares.mean())
    assert point["redundancy_std"] == pytest.approx(shares.std(ddof=1))
    assert point["non_redundancy"] == pytest.approx(1 / 8 - shares.mean())
    assert point["accuracy"] == pytest.approx(74)
    assert list(point[["published_prunability", "published_redundancy", "published_accuracy"]]) == [0.013, 0.042, 75]
    conv = picked(tables.frivolity, panel="conv2").iloc[0]
    assert conv["layer"] == "conv2"
    assert list(conv[["prunability", "redundancy"]]) == pytest.approx([0.5 / 8, 0.75 / 8])
    assert np.isnan(conv["published_prunability"])


def test_the_papers_grid_fills_its_panels():
    """Every curve of every panel has all its widths.

    In none are AlexNets with random labels or other rates and initialisers than Glorot, and ResNet56s with other rates,
    which the published experiments have and its figures do not show.
    """
    specs = expand(STUDY, configure(STUDY, scale="paper", settings={"repeat": ["0"]})).values()
    few = [s for s in specs if s.architecture.name != "mlp" or s.training.optimizer.learning_rate in (0.1, 0.01, 1e-3)]
    lines = made([network(spec) for spec in few]).lines
    assert {line.curve.name for line in lines if line.panel.name == "other"} == {"alexnet", "resnet56"}
    missing = {(panel.name, curve.name): set(curve.widths) for panel in PANELS for curve in panel.curves}
    for line in lines:
        if line.panel.name != "other":
            missing[line.panel.name, line.curve.name] -= set(line.networks["width"])
    assert {name: widths for name, widths in missing.items() if widths} == {}


def test_how_many_photographs_were_trained_on_is_what_the_folder_had():
    for dataset, trained in ((ImageFolder(), 1_271_167), (SOME_CLASSES, 116_689)):
        table = made([network(residual(ResNet18(width=1), batch_size=3072, dataset=dataset))]).frivolity
        assert set(table["n_train"]) == {trained}


def test_layers_count_alike_however_often_they_were_sampled():
    """Dense layers are taken whole, once; convolutions are sampled three times."""
    row = network(alexnet(4), redundant=[0.2, 0.3, 0.4], by_layer={"fc1": (0.2, 0.7), "fc2": (0.2, 0.9)})
    row["redundancy"] = [own for own in row["redundancy"] if own["layer"].startswith("conv") or not own["repeat"]]
    point = picked(made([row]).frivolity, panel="fig_4c").iloc[0]
    assert point["redundancy"] == pytest.approx((0.3 + 0.3 + 0.7 + 0.9) / 4)
    assert point["redundancy_std"] == pytest.approx(np.std([0.2, 0.3, 0.4] * 2 + [0.7] * 3 + [0.9] * 3, ddof=1))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            alexnet(1),
            {
                *(("fig_4b", "none"), ("fig_4c", "Glorot"), ("conv2", "Glorot"), ("activations", "ReLU")),
                *(("learning_rate_and_batch", "factor 1"), ("optimizers", "momentum")),
            },
        ),
        (
            alexnet(1, augmentation=True, dropout=0.5, weight_decay=1e-3),
            {("fig_4a", "AlexNet"), ("fig_4b", "all three")},
        ),
        (alexnet(1, random_labels=True), {("fig_4a", "AlexNet, random labels")}),
        (alexnet(1, initializer="he_uniform"), {("uniform_initializers", "He")}),
        (alexnet(1, batch_size=32, learning_rate=0.0025), {("learning_rate_and_batch", "factor 1/4")}),
        (alexnet(1, activation="tanh"), {("activations", "tanh")}),
        (alexnet(1, optimizer=SGD(learning_rate=0.01)), {("optimizers", "SGD")}),
        (alexnet(1, batch_size=48), {("other", "alexnet")}),
        (
            mlp(1),
            {
                *(("fig_4d", "10 inputs, factor 1"), ("mlp_10_data", "1,000 samples")),
                *(("mlp_10_optimizers", "momentum"), ("mlp_10_initialization", "factor 1")),
            },
        ),
        (mlp(1, inputs=10_000, samples=100_000, factor=1e6), {("mlp_10k_data", "100,000 samples")}),
        (
            residual(ResNet56(width=1)),
            {("fig_4a", "ResNet56"), *(("resnet56_layers", name) for name in ("conv", "stage1", "stage2", "stage3"))},
        ),
        (residual(ResNet18(width=1), batch_size=2048), {("resnet18_batches", "batch 2048")}),
    ],
)
def test_a_network_is_in_its_panels_and_in_no_other(spec, expected):
    assert panels_of([network(spec)]) == expected


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        (alexnet(1), {"learning_rate": 0.5}),
        (alexnet(1), {"initializer_factor": 100.0}),
        (alexnet(1, optimizer=Adam(learning_rate=1e-3)), {"learning_rate": 0.01}),
        (alexnet(1, augmentation=True, dropout=0.5, weight_decay=1e-3), {"learning_rate": 0.5}),
        (residual(ResNet56(width=1)), {"optimizer": "adam", "momentum": 0.0}),
        (residual(ResNet56(width=1)), {"augmentation": False, "weight_decay": 0.0}),
        (residual(ResNet56(width=1)), {"initializer": "he_normal"}),
        (residual(ResNet18(width=1), batch_size=3072), {"learning_rate": 0.1}),
        (residual(ResNet18(width=1), batch_size=3072), {"weight_decay": 0.0}),
        (residual(InceptionV3(width=1)), {"learning_rate": 0.0045}),
        (residual(InceptionV3(width=1)), {"optimizer": "sgd"}),
        (mlp(1, inputs=10_000), {"teacher": 0}),
        (mlp(1, optimizer=Adam(learning_rate=1e-3)), {"learning_rate": 0.01}),
    ],
)
def test_networks_that_are_not_the_papers_are_in_none_of_its_panels(spec, columns):
    """Neither published values stand beside them nor a verdict."""
    assert "other" not in {panel for panel, _ in panels_of([network(spec)], scale="paper")}
    tables = made([network(spec, **columns)], scale="paper")
    assert set(tables.frivolity["panel"]) == {"other"}
    assert not tables.gain["papers"].any()
    assert tables.frivolity[BESIDE].isna().all(axis=None)


@pytest.mark.parametrize(
    ("spec", "epochs"),
    [
        (alexnet(1, epochs=3000), 3000),
        (residual(ResNet18(width=1), batch_size=3072), 91),
        (residual(InceptionV3(width=1)), 100),
    ],
)
def test_what_trained_for_more_epochs_has_no_published_values(spec, epochs):
    def known(epochs):
        tables = made([network(spec, epochs=epochs)], scale="paper")
        return tables.frivolity["published_prunability"].notna().any(), set(tables.gain["papers"])

    assert known(epochs) == (False, {False})
    assert known(60) == (True, {True}), "its stopping rule was met"


def test_the_papers_grid_trains_as_long_as_the_paper():
    specs = expand(STUDY, configure(STUDY, scale="paper", settings={"repeat": ["0"]})).values()
    for spec in specs:
        longest = epochs(spec.architecture.name, augmentation=spec.augmentation, random_labels=spec.random_labels)
        assert spec.training.max_epochs == longest


def test_of_one_varied_layer_the_others_are_as_large_at_every_width():
    rows = [network(residual(InceptionV3(width=w, varied="layer")), prunable=0.2, redundant=0.3) for w in WIDTHS]
    gains = picked(made(rows).gain, panel="inception_v3_layer_layers", measure="prunability").set_index("curve")["g"]
    assert dict(gains) == pytest.approx({"Mixed_5d": 2, "Mixed_7a": 1, "Mixed_7c": 1})
    shown = picked(made(rows).frivolity, panel="fig_3ab")
    assert list(shown["layer"]) == ["Mixed_5d"] * 5
    assert list(shown["prunability"]) == pytest.approx([0.05 * width for width in WIDTHS])


def test_the_learning_rate_is_that_of_the_best_validation_accuracy_at_each_width():
    rates = {(0.5, 0.1): 0.9, (0.5, 0.01): 0.8, (1, 0.1): 0.7, (1, 0.01): 0.9}
    rows = [
        network(mlp(width, learning_rate=rate, seed=seed), prunable=rate, accuracy=accuracy)
        for (width, rate), accuracy in rates.items()
        for seed in (0, 1)
    ]
    for panel in ("fig_4d", "mlp_10_data"):
        shown = picked(made(rows).frivolity, panel=panel)
        assert list(shown["n"]) == [2, 2]
        assert list(shown["prunability"]) == pytest.approx([0.1 / 8, 0.01 / 4])


def test_where_the_paper_took_the_best_start_the_factor_is_selected_too():
    rows = [network(mlp(1, factor=factor), prunable=0.1 * factor, accuracy=0.8 + factor / 10) for factor in (0.01, 1.0)]
    table = made(rows).frivolity
    assert list(picked(table, panel="mlp_10_data")["prunability"]) == pytest.approx([0.1 / 4])
    assert list(picked(table, panel="mlp_10_initialization")["prunability"]) == pytest.approx([0.001 / 4, 0.1 / 4])


def test_a_setting_that_varies_makes_curves_of_its_own():
    rows = [network(mlp(width, epochs=epochs)) for width in (0.5, 1) for epochs in (40, 50)]
    assert {curve for panel, curve in panels_of(rows) if panel == "fig_4d"} == {
        "10 inputs, factor 1, max epochs 40",
        "10 inputs, factor 1, max epochs 50",
    }


@pytest.mark.parametrize(
    ("row", "scale", "known"),
    [
        (network(alexnet(1)), "reduced", True),
        (network(alexnet(1)), "quick", False),
        (network(alexnet(1, dataset="cifar10")), "reduced", False),
        (network(mlp(1)), "reduced", True),
        (network(mlp(1)), "quick", False),
        (network(residual(ResNet18(width=1), batch_size=3072)), "paper", True),
        (network(residual(ResNet18(width=1), batch_size=3072, dataset=SOME_CLASSES)), "paper", False),
    ],
)
def test_published_values_stand_beside_the_papers_data_alone(row, scale, known):
    tables = made([row], scale=scale)
    assert tables.frivolity["published_prunability"].notna().any() == known
    assert tables.gain["published_g_min"].notna().any() == known
    assert set(tables.gain["papers"]) == {known}


def test_one_width_and_missing_measures_leave_gains_empty():
    rows = [network(alexnet(0.25), redundancy=[], correlation=[]), network(alexnet(0.5), redundancy=[], correlation=[])]
    tables = made(rows)
    gains = picked(tables.gain, panel="fig_4c").set_index("measure")
    assert dict(gains["n_ratios"]) == {"prunability": 1, "redundancy": 0, "non_prunability": 1, "non_redundancy": 0}
    assert gains["g"].isna().all()
    assert gains["g_here"].notna().tolist() == [True, False, True, False]
    assert gains.loc["prunability", "published_g_here"] == pytest.approx(0.013 / 0.006)
    assert gains["published_g_here"].notna().tolist() == [True, False, False, False]
    assert tables.frivolity["redundancy"].isna().all()
    assert tables.correlation.empty
    assert made(rows[:1]).gain["g_here"].isna().all()


def test_a_value_of_zero_is_in_no_ratio_but_leaves_the_gain():
    """Specification b.7: zeros are ignored; what a gain lacks is a width, not a ratio."""
    rows = [network(alexnet(width), prunable=0.0 if width == 0.25 else 0.2, redundant=0.25) for width in WIDTHS]

    def shown(rows):
        tables = made(rows)
        gains = picked(tables.gain, panel="fig_4c").set_index("measure")
        figure = curves.frivolous(tables, ("fig_4c", "cifar10_file_order"), ("prunability", "redundancy"))
        return gains, [axis.get_title() for axis in figure.axes]

    gains, titles = shown(rows)
    assert gains["n_ratios"].to_dict() == dict(zip(MEASURES, (3, 3, 4, 3), strict=True))
    assert gains.loc["prunability", "g"] == pytest.approx(2) == gains.loc["prunability", "g_here"]
    assert titles[0].startswith("Prunability\ng 2.00 (published")
    gains, titles = shown(rows[1:])
    assert gains["g"].notna().to_dict() == dict(zip(MEASURES, (False, True, False, True), strict=True))
    assert titles[0] == "Prunability\nsome widths are missing: no g"
    assert titles[1].startswith("Redundancy\ng 2.00")


def test_what_diverged_or_was_not_measured_is_left_out():
    bare = {"prunability": [], "redundancy": [], "correlation": []}
    lost = network(mlp(1, seed=1), status="diverged", **bare)
    networks = prepare(runs([network(mlp(1)), lost, network(mlp(1, seed=2), **bare)]))
    assert (len(networks.used), networks.found, networks.diverged) == (1, 3, 1)
    with pytest.raises(ValueError, match=r"none of the 1 networks .* 1 diverged, the others have none of prunability"):
        prepare(runs([lost]))


def test_short_runs_are_those_that_ran_out_of_fewer_epochs():
    def short(spec, **changes):
        return bool(prepare(runs([network(spec, **changes)])).used["short"].iloc[0])

    assert not short(mlp(1))
    assert short(mlp(1, epochs=10))
    assert short(alexnet(1, epochs=60), epochs=60)
    assert not short(alexnet(1, epochs=60), epochs=55), "its stopping rule was met"
    assert short(alexnet(1, epochs=500, augmentation=True), epochs=500), "with augmentation the paper trains 1,000"
    assert short(residual(ResNet18(width=1)), max_epochs=1, epochs=1)


def test_tolerances_are_chosen_in_the_analysis():
    row = network(mlp(4), prunable=0.25, redundant=0.5)
    extra = {"layer": "all", "repeat": 0, "by_position": True, "removed": [0, 1], "unchanged": [1, 0]}
    row["prunability"] = [*row["prunability"], extra]
    networks = prepare(runs([row]))
    by_position = measure(networks.used, Tolerances(by_position=True))
    assert dict(zip(by_position["layer"], by_position["prunability"], strict=True))["all"] == pytest.approx(0.2)
    table = picked(Tables(networks).tolerances, panel="fig_4d")
    assert table["by_position"].tolist() == [False] * 7 + [True]
    values = picked(table, by_position=False, measure="prunability").set_index("tolerance")["at_4x"]
    # The made curve falls from 1 at 1/6 to 0.6 at 2/6 removed, and to 0 from there. Of two answers half stay by chance.
    assert dict(values) == pytest.approx({0.1: 5 / 24, 0.2: 1 / 4, 0.3: 7 / 24, 0.4: 1 / 3})
    ten_answers = picked(made([network(alexnet(4), prunable=0.25)]).tolerances, panel="fig_4c", measure="prunability")
    assert ten_answers["at_4x"].tolist() == pytest.approx([5 / 24, 1 / 4, 7 / 24, 1 / 3, 1 / 3 + 1 / 36])
    assert table[table["default"]]["tolerance"].tolist() == [0.2, 0.05]
    assert picked(table, measure="redundancy")["at_4x"].is_monotonic_increasing


def test_every_network_has_a_row_also_where_no_panel_shows_it():
    rows = [network(mlp(4, factor=1e3), prunable=0.25, redundant=0.5), network(alexnet(1), redundant=0.25)]
    table = made(rows).networks_measured.set_index("architecture")
    assert table["prunability"].to_dict() == pytest.approx({"mlp": 0.25, "alexnet": 0.25 / 4})
    assert table["redundancy"].to_dict() == pytest.approx({"mlp": 0.5, "alexnet": 0.25 / 4})
    assert table.loc["mlp", "initializer_factor"] == 1e3
    assert table["accuracy"].tolist() == pytest.approx([89, 89])


def test_records_from_before_there_were_several_teachers_have_the_first():
    older = network(mlp(4, seed=0), prunable=0.2, teacher=None)
    newer = network(mlp(4, seed=1), prunable=0.4)
    other = network(mlp(4, seed=2), prunable=0.8, teacher=7)
    table = made([older, newer, other]).frivolity
    assert picked(table, panel="fig_4d")[["n", "prunability"]].to_numpy() == pytest.approx(np.array([[2, 0.3]]))
    assert picked(table, panel="other")["prunability"].tolist() == pytest.approx([0.8])


def test_how_far_random_labels_were_learned():
    """Specification b.8 has it of the narrowest networks."""
    rows = [
        network(alexnet(width, random_labels=True, seed=seed), train_accuracy=0.7 + 0.1 * seed)
        for width in (0.25, 0.5)
        for seed in (0, 1)
    ]
    tables = made(rows)
    table = picked(tables.frivolity, panel="fig_4a").set_index("width")
    assert table["train_accuracy"].tolist() == pytest.approx([75, 75])
    assert table["train_accuracy_std"].tolist() == pytest.approx([50**0.5] * 2)
    assert table["published_train_accuracy"].fillna(0).to_dict() == {0.25: 78, 0.5: 0}
    words = "training accuracy, %"
    shown = display.frivolity(tables, ("fig_4a", "cifar10_file_order"), MEASURES[:2])
    assert shown[words].tolist() == ["75.0 ± 7.1 (78)", "75.0 ± 7.1"]
    true = made([network(alexnet(1))])
    assert words not in display.frivolity(true, ("fig_4c", "cifar10_file_order"), MEASURES[:2])


def test_what_was_selected_and_whether_it_is_at_the_edge():
    accuracies = {(0.25, 0.1): 0.7, (0.25, 0.01): 0.9, (0.25, 1e-3): 0.8, (0.5, 0.1): 0.9, (0.5, 0.01): 0.8}
    rows = [
        network(mlp(width, learning_rate=rate, seed=seed), accuracy=accuracy)
        for (width, rate), accuracy in accuracies.items()
        for seed in (0, 1)
    ]
    edges = picked(made(rows).choices, panel="fig_4d", curve="10 inputs, factor 1").set_index("width")
    assert edges["setting"].eq("learning_rate").all()
    assert edges["chosen"].to_dict() == {0.25: 0.01, 0.5: 0.1}
    assert edges["n_levels"].to_dict() == {0.25: 3, 0.5: 2}
    assert edges["at_edge"].to_dict() == {0.25: False, 0.5: True}
    assert edges["validation_accuracy"].tolist() == pytest.approx([90, 90])
    rows.append(network(mlp(0.5, learning_rate=1.0), status="diverged"))
    edges = picked(made(rows).choices, panel="fig_4d", curve="10 inputs, factor 1").set_index("width")
    assert edges["at_edge"].to_dict() == {0.25: False, 0.5: False}, "what diverged was tried"
    assert made([network(mlp(1))]).choices.empty


def test_ablation_takes_the_best_repeat_at_each_share():
    row = network(alexnet(0.25), prunable=[0.1, 0.25])
    table = picked(made([row]).ablation, panel="fig_4c").set_index("removed")
    assert table.index.tolist() == pytest.approx([0, 100 / 6, 100 / 3, 50, 200 / 3, 500 / 6, 100])
    assert table["unchanged"].tolist()[:3] == pytest.approx([100, 100, 60])
    assert table["published_unchanged"].tolist()[1:6] == [67, 44, 25, 17, 11]


def test_what_narrow_networks_answer():
    def narrow(way, left, same_answers, accuracy, whole):
        own = {"way": way, "units": 8, "left": left, "same_answers": same_answers, "accuracy": accuracy}
        return [own | {"whole_accuracy": whole}]

    rows = [
        network(mlp(1, seed=0), narrowing=narrow("excised", 2, 0.8, 0.7, 0.9)),
        network(mlp(1, seed=1), narrowing=narrow("excised", 4, 1.0, 0.8, 0.8)),
        network(mlp(2), narrowing=narrow("refactored", 8, 1.0, 0.95, 0.9)),
    ]
    table = picked(made(rows).narrowing, panel="fig_4d").set_index(["width", "way"])
    assert table.loc[(1, "excised"), ["n", "left", "same_answers", "accuracy"]].tolist() == [2, 37.5, 90, 75]
    assert table.loc[(1, "excised"), "change"] == pytest.approx(-10)
    assert table.loc[(1, "excised"), "change_std"] == pytest.approx(200**0.5)
    assert table.loc[(2, "refactored"), "change"] == pytest.approx(5)
    assert np.isnan(table.loc[(2, "refactored"), "change_std"])
    assert made([network(mlp(1))]).narrowing.empty


def test_correlations_by_layer():
    rows = [network(alexnet(1, initializer="he_normal", seed=seed), correlated=0.2 + 0.2 * seed) for seed in (0, 1)]
    table = picked(made(rows).correlation, panel="fig_4c")
    assert table["layer"].tolist() == ["conv1", "conv2", "fc1", "fc2"]
    assert table["correlation"].tolist() == pytest.approx([0.3] * 4)
    assert table["published_correlation"].fillna(0).tolist() == [0, 0.525, 0, 0]


def test_neither_order_nor_packing_changes_a_table():
    rows = [network(mlp(width, seed=seed), prunable=0.1 + 0.1 * seed) for width in (0.5, 1) for seed in range(3)]
    one, other = made(rows).named(), made(rows[::-1]).named()
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])


def test_units_of_the_narrowest_networks_are_tested_against_those_of_the_widest():
    layers = ["conv1", "conv2"]
    rows = [
        network(alexnet(width, seed=seed), visualized=unit_images(layers, of, silent=2, seed=10 * seed + n))
        for n, (width, of) in enumerate({0.25: 1.0, 1: 5.0, 4: 2.0}.items())
        for seed in (0, 1)
    ]
    table = picked(made([*rows, network(alexnet(4, seed=2))]).interpretability, panel="fig_4c")
    assert list(table["layer"]) == ["conv1", "conv1", "conv2", "conv2"]
    assert list(table["measure"]) == ["image", "spectrum"] * 2
    first = table.iloc[0]
    assert list(first[["curve", "narrow", "wide", "units_narrow", "units_wide"]]) == ["Glorot", 0.25, 4, 16, 16]
    assert list(first[["silent_narrow", "silent_wide"]]) == [4, 4]
    assert first["mean_narrow"] == pytest.approx(1, rel=0.1)
    assert first["mean_wide"] == pytest.approx(2, rel=0.1)
    assert list(table["statistic"]) == [-16, 16] * 2
    assert (table["p"] < 0.001).all()
    assert made([network(alexnet(1), visualized=unit_images(layers, 1.0))]).interpretability.empty


def test_one_training_measured_twice_is_one_network():
    """Of such rows the one that was measured more counts; on other images it is another line, not another seed."""
    spec = mlp(1)
    more = spec.model_copy(update={"measures": (*spec.measures, "narrowing")})
    rows = [network(spec, prunable=0.2), network(more, prunable=0.3), network(mlp(1, seed=1), prunable=0.5)]
    prepared = prepare(runs(rows))
    assert sorted(prepared.used["network_id"]) == sorted([more.id, mlp(1, seed=1).id])
    all_images = spec.model_copy(update={"measured_images": 0})
    lines = made([network(spec, prunable=0.2), network(all_images, prunable=0.4)]).lines
    own = [line for line in lines if line.panel.name == "mlp_10_initialization"]
    assert sorted(len(line.networks) for line in own) == [1, 1]
    assert [line.papers for line in own].count(True) == 1


def test_rates_that_fall_otherwise_make_another_line():
    slower = mlp(1).model_copy(
        update={"training": mlp(1).training.model_copy(update={"schedule": Exponential(factor=0.9)})}
    )
    lines = made([network(mlp(1)), network(slower)]).lines
    own = [line for line in lines if line.panel.name == "mlp_10_initialization"]
    assert sorted(len(line.networks) for line in own) == [1, 1]
    assert [line.papers for line in own].count(True) == 1


def test_settings_may_be_selected_for_each_seed():
    accuracies = {(0.1, 0): 0.9, (1.0, 0): 0.8, (0.1, 1): 0.5, (1.0, 1): 0.7}
    rows = [
        network(mlp(1, learning_rate=rate, seed=seed), accuracy=accuracy)
        for (rate, seed), accuracy in accuracies.items()
    ]
    prepared = prepare(runs(rows))

    def chosen(by):
        tables = Tables(prepared, chosen_by=by)
        [line] = [line for line in tables.lines if line.panel.name == "mlp_10_initialization"]
        table = picked(tables.choices, panel="mlp_10_initialization", setting="learning_rate")
        return sorted(zip(line.networks["init_seed"], line.networks["learning_rate"], strict=True)), len(table)

    assert chosen("mean") == ([(0, 1.0), (1, 1.0)], 1)
    assert chosen("seed") == ([(0, 0.1), (1, 1.0)], 2)


def test_a_gain_at_another_tolerance_takes_all_widths_too():
    rows = [network(alexnet(width, seed=seed), prunable=0.2 * width) for width in (0.25, 0.5) for seed in (0, 1)]
    tables = made(rows)
    own = tables.tolerances[tables.tolerances["measure"] == "prunability"]
    assert own["g"].isna().all()
    assert set(own["n_ratios"]) == {1}
    shown = display.tolerances(tables, ("fig_4c", "cifar10_file_order"))
    shown = shown[shown["measure"] == "prunability"]
    assert shown["g"].str.contains(r"\(1 ratio\)").all()
