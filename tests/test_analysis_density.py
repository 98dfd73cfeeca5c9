import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic import grid, network, records

from analysis.density.claims import core_grows, that_can_be_judged
from analysis.density.functions import comparable, distances
from analysis.density.networks import prepare
from analysis.density.report import COLUMNS, FIGURES, _not_converged, report
from analysis.density.tables import tables
from analysis.runs import Runs, as_frame

TABLE_COLUMNS = {
    "parameters": "dataset scale architecture width true_count table1_count published weights",
    "effective_density": "dataset scale architecture optimizer width n null_mean null_std null_mean_true mean std "
    "p_ttest published_null_mean published_null_std published_mean published_std inside_published accuracy",
    "anova": "dataset scale architecture optimizer test factor df df_residual F p eta_squared",
    "overlap": "dataset scale architecture optimizer width layer reading n mean std published",
    "readings": "dataset scale architecture optimizer width tolerance kind score step n mean std "
    "published_mean published_std inside_published",
}
PAPER = [
    *grid(dataset="mnist"),
    *grid(dataset="cifar10", architecture="conv2", optimizer="adam", widths=(0.1, 0.5, 1, 2)),
    *grid(dataset="cifar10", architecture="conv2", optimizer="adagrad", widths=(0.1, 0.5, 1, 2)),
    *grid(dataset="cifar10", architecture="resnet", widths=(0.1, 0.5, 1, 2), initializers=["glorot_uniform"]),
]


def runs(rows, *, scale="quick", planned=None):
    """The networks with the columns that the analysis says it reads, and no other."""
    frame = as_frame(pa.concat_tables(records(rows)).select(["network_id", *COLUMNS]))
    return Runs("density", scale, "a" * 20, "2026-01-01T00:00:00+00:00", planned or len(frame), frame)


def measured(rows, **arguments):
    networks = prepare(runs(rows, **arguments))
    named, notes = tables(networks)
    return networks, named, notes


def test_tables_have_the_columns_that_others_rely_on():
    _, named, _ = measured([network(spec) for spec in PAPER])
    assert {name: " ".join(named[name].columns) for name in TABLE_COLUMNS} == TABLE_COLUMNS


def test_effective_density_and_null_hypothesis_by_hand():
    """Two init seeds; sizes as in Table 1, true sizes different, so that the two counts cannot be confused."""
    density = {(0.1, 0): 0.7, (0.1, 1): 0.74, (1, 0): 0.4, (1, 1): 0.5, (2, 0): 0.36, (2, 1): 0.4}
    counts = {0.1: (23_920, 1_000), 1: (266_200, 10_000), 2: (592_400, 20_000)}
    rows = []
    for spec in grid(dataset="mnist", widths=(0.1, 1, 2), initializers=["he_uniform"], data_seeds=[0]):
        width = spec.architecture.width
        table1, weights = counts[width]
        rows.append(
            network(spec, density=density[width, spec.init_seed], table1_count=table1, weights=weights, parameters=7)
        )
    _, named, _ = measured(rows, scale="paper")
    table = named["effective_density"].set_index("width")
    assert list(table["n"]) == [2, 2, 2]
    assert list(table["mean"]) == pytest.approx([72, 45, 38])
    assert table.loc[2, "std"] == pytest.approx(np.sqrt(8))
    assert list(table["null_mean"]) == pytest.approx([100, 45, 45 * 266_200 / 592_400])
    assert table.loc[2, "null_std"] == pytest.approx(np.sqrt(50) * 266_200 / 592_400)
    assert list(table["null_mean_true"]) == pytest.approx([100, 45, 22.5])
    assert list(table["p_ttest"].isna()) == [False, True, False]
    assert list(table["published_mean"]) == [70.6, 43.3, 39.0]
    assert list(table["inside_published"]) == [True, True, True]
    assert list(named["parameters"]["published"]) == [23_920, 266_200, 592_400]
    assert list(named["parameters"]["true_count"]) == [7, 7, 7]
    assert set(named["effective_density"]["scale"]) == {"paper"}


def test_the_null_hypothesis_pairs_initializer_and_both_seeds():
    specs = grid(widths=(1, 2))
    networks, *_ = measured([network(spec) for spec in specs])
    keys = ["initializer", "init_seed", "data_seed"]
    one, two = (networks.used[networks.used["width"] == w].set_index(keys).sort_index() for w in (1, 2))
    np.testing.assert_allclose(two["null"], one["density"] / 2)
    assert one["density"].nunique() > 3


def test_published_values_stand_beside_the_papers_data_alone():
    for spec_grid, known in ((grid(dataset="digits"), False), (grid(dataset="mnist"), True)):
        _, named, _ = measured([network(spec) for spec in spec_grid])
        for name, column in (("parameters", "published"), ("effective_density", "published_mean")):
            assert (named[name][column].notna()).all() == known
            assert (named[name][column].notna()).any() == known
        assert named["overlap"]["published"].notna().any() == known
        assert named["effective_density"]["inside_published"].notna().any() == known


def test_overlap_readings_by_hand():
    layer = {"layer": "fc1", "weights": 100, "smallest": 40, "common": 10}
    specs = grid(dataset="mnist", widths=(0.1,), data_seeds=[0])
    _, named, _ = measured([network(spec, overlap=[layer]) for spec in specs])
    table = named["overlap"].set_index("reading")
    assert dict(table["mean"]) == pytest.approx(
        {"common/all": 10, "common/smallest": 25, "jaccard": 100 / 7, "1-common/smallest": 75}
    )
    assert set(table["n"]) == {2}, "Glorot alone"
    assert set(table["published"]) == {25.5}


def test_readings_hold_the_default_one_and_every_other():
    _, named, _ = measured([network(spec) for spec in grid(dataset="mnist")])
    table = named["readings"]
    assert len(table) == 8 * 5
    default = table.query("kind == 'relative' and score == 'accuracy' and step == 'first_failing'")
    np.testing.assert_allclose(default["mean"], named["effective_density"]["mean"])
    passing = table.query("kind == 'relative' and score == 'accuracy' and step == 'last_passing'")
    np.testing.assert_allclose(passing["mean"] - default["mean"].to_numpy(), 2.0)


def test_anova_has_the_one_way_and_the_factorial_test_of_each_model_type():
    _, named, notes = measured([network(spec) for spec in PAPER])
    table = named["anova"]
    groups = {key: list(part["factor"]) for key, part in table.groupby(["architecture", "optimizer", "test"])}
    seeds = ["width", "initializer", "init_seed", "data_seed", "width:initializer"]
    assert groups["mlp", "sgd", "one-way"] == ["width"]
    assert groups["mlp", "sgd", "factorial"] == seeds
    assert groups["conv2", "adagrad", "factorial, density"] == seeds
    assert groups["resnet", "sgd", "factorial"] == ["width", "init_seed", "data_seed"]
    assert notes == []


def test_diverged_and_unfinished_trajectories_are_left_out_and_counted():
    rows = [network(spec) for spec in grid(widths=(0.1, 1))]
    rows[0] |= {"status": "diverged", "converged": False, "prune_validation_accuracy": [], "prune_weights_left": []}
    rows[1]["prune_validation_accuracy"] = [float("nan")] * 51
    rows[2] |= {"prune_validation_accuracy": [], "prune_weights_left": []}
    rows[3]["converged"] = False
    networks, named, _ = measured(rows, planned=20)
    assert (networks.planned, networks.found, len(networks.used)) == (20, 16, 13)
    assert (networks.diverged, networks.not_finite) == (1, 2)
    assert list(named["effective_density"]["n"]) == [5, 8]


def test_a_sweep_of_diverged_networks_alone_is_refused():
    rows = [network(spec, status="diverged") for spec in grid(widths=(1,))]
    with pytest.raises(ValueError, match="none of the 8 networks"):
        prepare(runs(rows))


def test_a_setting_that_the_sweep_varied_splits_the_model_type():
    networks, named, _ = measured([network(spec) for spec in grid(widths=(1, 2), batch_sizes=(32, 64))])
    assert networks.by[3:] == ["batch_size"]
    table = named["effective_density"]
    assert list(zip(table["batch_size"], table["width"], table["n"], strict=True)) == [
        (32, 1, 8), (32, 2, 8), (64, 1, 8), (64, 2, 8)
    ]  # fmt: skip
    assert table["null_mean"].notna().all()


def test_without_width_1_there_is_no_null_hypothesis():
    _, named, _ = measured([network(spec) for spec in grid(widths=(0.1, 2))])
    assert named["effective_density"][["null_mean", "null_std", "null_mean_true", "p_ttest"]].isna().all(axis=None)


def test_correctness_is_compared_within_one_data_seed():
    rows = [network(spec, images=12) for spec in grid(widths=(1,), init_seeds=range(12), data_seeds=(3, 5))]
    kept, vectors = comparable(prepare(runs(rows)).used)
    assert set(kept["data_seed"]) == {3}
    assert sorted(set(kept["init_seed"])) == list(range(10))
    assert vectors.shape == (20, 12)
    expected = {row["network_id"]: np.unpackbits(np.frombuffer(row["correctness"], np.uint8))[:12] for row in rows}
    np.testing.assert_array_equal(vectors[0], expected[kept["network_id"].iloc[0]])


def test_distances_are_within_width_and_initializer():
    same, other = np.packbits([1, 1, 1, 1]).tobytes(), np.packbits([1, 0, 0, 1]).tobytes()
    rows = [
        network(
            spec, correctness=other if spec.architecture.width == 0.1 and spec.init_seed else same, validation_size=4
        )
        for spec in grid(widths=(0.1, 1), data_seeds=[0])
    ]
    assert dict(distances(prepare(runs(rows)).used)) == {0.1: 0.5, 1.0: 0.0}


@pytest.fixture(scope="module")
def paper_report(tmp_path_factory):
    out = tmp_path_factory.mktemp("paper")
    report(runs([network(spec) for spec in PAPER], scale="paper"), out)
    return out


def test_the_report_has_every_figure_as_png_and_svg(paper_report):
    figures = paper_report / "figures"
    names = [name for name, *_ in FIGURES]
    assert len(names) == 9
    assert {path.name for path in figures.iterdir()} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    for name in names:
        assert (figures / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert (figures / f"{name}.png").stat().st_size > 10_000
        ET.parse(figures / f"{name}.svg")


def test_the_report_is_self_contained(paper_report):
    page = (paper_report / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 9
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?!["']?data:)""", re.sub(r"base64,[^\"]+", "", page))
    assert "<script" not in page


def test_the_report_says_what_was_run_and_what_the_paper_claims(paper_report):
    page = (paper_report / "report.html").read_text()
    for text in (
        "scale paper",
        "a" * 20,
        "0123456789ab",
        "A 0.1× MLP can lose about 30 %",
        "70.6 ± 3.6",
    ):
        assert text in page
    assert f"{len(PAPER)} used of {len(PAPER)} trained" in page
    # The made networks are not the paper's in seeds and epochs: the report says so of each type, and nothing else.
    assert page.count('class="warning"') == page.count("Not as in the paper: ") == 4
    assert "2 of 10 init seeds; 2 of 5 data seeds" in page


def test_tables_on_disk_are_the_tables(paper_report):
    table = pd.read_csv(paper_report / "tables" / "effective_density.csv")
    assert " ".join(table.columns) == TABLE_COLUMNS["effective_density"]
    assert list(table["architecture"].unique()) == ["mlp", "conv2", "resnet"]
    assert len(table) == 17
    sizes = pd.read_csv(paper_report / "tables" / "parameters.csv")
    assert sizes["published"].dtype == np.int64


def test_neither_packing_nor_order_changes_a_table(tmp_path):
    rows = [network(spec) for spec in grid()]
    one, other = runs(rows), runs(rows[::-1])
    report(one, tmp_path / "one")
    report(other, tmp_path / "other")
    for path in sorted((tmp_path / "one").rglob("*.[cps][svn][gv]")):
        assert path.read_bytes() == (tmp_path / "other" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_networks_that_trained_too_short_get_no_verdict(tmp_path):
    """The made Conv-2 trained as long as their spec says, which is less than the paper's 100 epochs."""
    rows = [network(spec) for spec in PAPER]
    networks, named, _ = measured(rows)
    judged = {
        name: [c.agrees for c in that_can_be_judged(networks, core_grows(networks, named)) if c.here.startswith(name)]
        for name in ("MLP", "Conv-2, CIFAR-10, Adam:")
    }
    assert None not in judged["MLP"]
    assert set(judged["Conv-2, CIFAR-10, Adam:"]) == {None}


def test_a_banner_says_what_hardly_trained(tmp_path):
    specs = grid(dataset="mnist", widths=(0.1, 1))
    rows = [network(spec) | ({"validation_accuracy": 0.2} if spec.architecture.width == 0.1 else {}) for spec in specs]
    page = report(runs(rows), tmp_path).read_text()
    assert "Hardly trained: validation accuracy 20 % at 0.1×;" in page
    assert "without width 0.5×, 2×, 5×" in page


BARE = {"overlap": [], "activations": [], "correctness": b""}


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        pytest.param([network(spec) for spec in grid()], {"figure_8_conv2_adam_functions"}, id="digits alone"),
        pytest.param(
            [network(spec) for spec in grid(widths=(1,), initializers=["he_uniform"], init_seeds=[0], data_seeds=[0])],
            {"figure_6_initializers", "figure_7_mlp_functions", "figure_8_conv2_adam_functions"},
            id="a single network",
        ),
        pytest.param(
            [network(spec, density=0.5) for spec in grid(widths=(0.1, 2), data_seeds=[0])],
            {"figure_7_mlp_functions", "figure_8_conv2_adam_functions"},
            id="no width 1 and no variance",
        ),
        pytest.param(
            [network(spec, **BARE) for spec in grid(architecture="conv2", optimizer="adam", init_seeds=[0])],
            {"figure_7_mlp_functions", "figure_8_conv2_adam_functions", "activations"},
            id="nothing measured",
        ),
        pytest.param(
            [network(spec, table1_count=0) for spec in grid(architecture="resnet", init_seeds=[0], data_seeds=[0])],
            {"figure_5_absolute_sizes", "figure_7_mlp_functions", "figure_8_conv2_adam_functions"},
            id="no count in the paper's way",
        ),
        pytest.param(
            [network(spec, density=0.02, prune_validation_accuracy=[0.1] * 51) for spec in grid(widths=(1, 2))],
            {"figure_7_mlp_functions", "figure_8_conv2_adam_functions"},
            id="nothing learned, nothing needed",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_small_sweep_gives_a_report_that_says_what_is_missing(tmp_path, rows, missing):
    path = report(runs(rows), tmp_path)
    page = path.read_text()
    drawn = {figure.stem for figure in (tmp_path / "figures").glob("*.png")}
    assert {name for name, *_ in FIGURES} - drawn == missing
    assert page.count("Not drawn: ") == len(missing)
    assert "Not in the paper: " in page
    assert "nan" not in re.sub(r"base64,[^\"]+", "", page).lower()


def test_no_figure_of_an_earlier_report_stays_beside_a_later_one(tmp_path):
    report(runs([network(spec) for spec in grid(widths=(1, 2))]), tmp_path)
    assert (tmp_path / "figures" / "figure_6_initializers.png").exists()
    report(runs([network(spec) for spec in grid(widths=(1, 2), initializers=["he_uniform"])]), tmp_path)
    assert not list((tmp_path / "figures").glob("figure_6*"))


def test_the_deviation_of_a_single_network_is_empty(tmp_path):
    specs = grid(widths=(0.1, 1), initializers=["he_uniform"], init_seeds=[0], data_seeds=[0])
    report(runs([network(spec) for spec in specs]), tmp_path)
    table = pd.read_csv(tmp_path / "tables" / "effective_density.csv")
    assert list(table["n"]) == [1, 1]
    assert table[["std", "null_std", "p_ttest"]].isna().all(axis=None)
    assert table[["mean", "null_mean"]].notna().all(axis=None)
    assert pd.read_csv(tmp_path / "tables" / "anova.csv").empty
    assert "no one-way analysis of variance" in (tmp_path / "report.html").read_text()


def test_networks_that_did_not_converge_are_counted_by_their_rule():
    rules = ["loss_target", "validation_minimum", "validation_minimum", "best_accuracy"]
    rows = [network(spec, stopping=rule, converged=False) for spec, rule in zip(grid(), rules, strict=False)]
    rows += [network(grid()[4])]
    end = "had their smallest validation loss in the last epoch; all are used as they ended"
    start = "1 ran out of epochs before their loss target, "
    assert _not_converged(prepare(runs(rows))) == f"{start}1 before their accuracy stood still, 2 {end}"
    assert _not_converged(prepare(runs([*rows[:3], rows[4]]))) == f"{start}2 {end}"
