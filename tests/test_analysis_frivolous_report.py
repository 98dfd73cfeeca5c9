"""The frivolous study's report as a whole, its claims, and slices of a sweep."""

import re
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from synthetic import new_store, write_sweep
from synthetic_frivolous import alexnet, mlp, network, records, residual, unit_images
from test_analysis_frivolous import made, runs

from analysis import analyse, figures
from analysis.frivolous import claims, untrained
from analysis.frivolous.gain import WIDTHS
from analysis.frivolous.lines import Line
from analysis.frivolous.report import report
from analysis.frivolous.tables import TABLES
from raydensity.spec import ResNet18, ResNet56
from raydensity.spec.architectures import RESNET18_LARGEST_BATCH

GLOROT, MLPS = ("fig_4c", "cifar10_file_order"), ("fig_4d", "teacher")


@pytest.fixture(autouse=True, scope="module")
def _quick():
    """Few random networks and coarse pictures."""
    untrained.drawn.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(untrained, "NETWORKS", {"prunability": 3, "redundancy": 2})
        patch.setattr(untrained, "IMAGES", {"prunability": 50, "redundancy": 100})
        patch.setattr(figures, "DPI", 50)
        yield
    untrained.drawn.cache_clear()


def initialised(name, prunable, redundant, **changes):
    """AlexNets of one initialiser over all widths, by share at 1x and by how it grows."""
    return [
        network(
            alexnet(width, initializer=name, seed=seed),
            prunable=prunable[0] * width ** prunable[1],
            redundant=redundant[0] * width ** redundant[1],
            accuracy=0.7 + 0.01 * width,
            **changes,
        )
        for width in WIDTHS
        for seed in (0, 1)
    ]


GOOD = [*initialised("glorot_normal", (0.15, 0.4), (0.3, 0.2)), *initialised("he_normal", (0.1, 0.2), (0.5, 0.15))]


SAYS = [
    claims.frivolous_units_outgrow,
    claims.others_grow_less,
    claims.initializers_trade,
    claims.accuracy_does_not_degrade,
]


def verdicts(says, rows, group=GLOROT, **arguments):
    """The verdicts by claim, in the order of the claims."""
    tables = made(rows, **arguments)
    return [[claim.verdict for claim in say(tables, group)] for say in says]


def test_claims_hold_where_the_networks_are_as_the_papers():
    assert verdicts(SAYS, GOOD) == [["agrees", "agrees"]] * 3 + [["agrees"]]


def test_claims_differ_where_they_fail():
    swapped = [
        *initialised("he_normal", (0.2, -0.1), (0.3, -0.1)),
        *initialised("glorot_normal", (0.1, -0.2), (0.5, -0.2)),
    ]
    swapped = [row | {"test_accuracy": 0.7 - 0.02 * row["width"]} for row in swapped]
    assert verdicts(SAYS, swapped) == [["differs", "differs"]] * 3 + [["differs"]]
    assert verdicts([claims.inside_published], swapped)[0][:2] == ["differs", "differs"]


@pytest.mark.parametrize(
    ("rows", "arguments"),
    [
        ([row for row in GOOD if row["width"] < 1], {}),
        (GOOD, {"scale": "quick"}),
        ([row | {"max_epochs": 20, "epochs": 20} for row in GOOD], {}),
    ],
    ids=["two widths", "quick", "short"],
)
def test_there_is_no_verdict_on_what_is_not_as_the_papers(rows, arguments):
    assert {verdict for said in verdicts(SAYS, rows, **arguments) for verdict in said} == {"no verdict"}


def memorised(accuracies, seeds=(0, 1)):
    """The verdict where networks of width 1 have these training accuracies, one a seed, and wider ones 1."""
    by_width = {0.25: [0.85, 0.84], 0.5: [0.9, 0.91], 1: accuracies, 2: [1, 1], 4: [1, 1]}
    rows = [
        network(alexnet(width, random_labels=True, seed=seed), train_accuracy=by_width[width][seed])
        for width in WIDTHS
        for seed in seeds
    ]
    [[verdict]] = verdicts([claims.random_labels_are_memorised], rows, ("fig_4a", "cifar10_file_order"))
    return verdict


def test_random_labels_are_memorised_from_width_1_up():
    assert memorised([1, 1]) == "agrees"
    assert memorised([0.98, 0.98]) == "differs"
    assert memorised([0.98, 1]) == "no verdict"  # the interval of two such has 99 % in it
    assert memorised([0.98, 1], seeds=(0,)) == "no verdict"  # one may be chance


def stepping_back(accuracies):
    """The verdict where networks of width 4 have these accuracies, and all narrower ones 0.7."""
    rows = [row | {"test_accuracy": accuracies[row["init_seed"]] if row["width"] == 4 else 0.7} for row in GOOD]
    [[verdict]] = verdicts([claims.accuracy_does_not_degrade], rows)
    return verdict


def test_accuracy_degrades_where_it_does_so_surely():
    assert stepping_back([0.7, 0.7]) == stepping_back([0.695, 0.695]) == "agrees"
    assert stepping_back([0.66, 0.66]) == "differs"
    assert stepping_back([0.66, 0.7]) == "no verdict"  # two points less, and four more or less


@pytest.mark.parametrize(("differ", "verdict"), [([], None), ([-1], None), ([-1, -1], False), ([-1, 1], True)])
def test_interpretability_has_a_trend_where_tests_agree_on_it(monkeypatch, differ, verdict):
    """No or one significant difference tells nothing of a trend; two on one side do, and two on both sides."""
    rows = [network(residual(ResNet18(width=width), batch_size=RESNET18_LARGEST_BATCH[width])) for width in WIDTHS]
    tables = made(rows)
    [line] = tables.of(("fig_3ab", "image_folder"))
    monkeypatch.setattr(Line, "papers", True)
    statistics = [*differ, *[0.1] * (4 - len(differ))]
    table = pd.DataFrame({"statistic": statistics, "p": [1e-6 if abs(each) == 1 else 0.9 for each in statistics]})
    keys = {"dataset": "image_folder", "scale": "reduced", "panel": "fig_3ab", "curve": line.name}
    tables.__dict__["interpretability"] = table.assign(**keys)
    [said] = claims.interpretability_has_no_trend(tables, ("fig_3ab", "image_folder"))
    assert said.agrees is verdict


def test_the_texts_exception_has_a_claim_of_its_own():
    rows = [
        network(
            residual(ResNet56(width=width), random_labels=True, init_seed=seed),
            prunable=0.2 * width**-0.1,
            redundant=0.3 * width**0.2,
        )
        for width in WIDTHS
        for seed in (0, 1)
    ]
    said = claims.frivolous_units_outgrow(made(rows), ("fig_4a", "cifar10_file_order"))
    assert [(claim.paper.split(" units ")[1], claim.verdict) for claim in said] == [
        ("of ResNet56s with random labels does not (g at most 2).", "agrees"),
        ("more than doubles where the width doubles (g above 2).", "agrees"),
    ]


def test_many_inputs_and_a_high_variance_are_compared():
    rows = [
        network(
            mlp(width, inputs=10_000, factor=factor, seed=seed), prunable=0.8, redundant=0.2 if factor == 1 else 0.6
        )
        for width in WIDTHS
        for factor in (0.01, 1.0)
        for seed in (0, 1)
    ]
    assert verdicts([claims.high_variance_and_many_inputs], rows, MLPS) == [["differs", "agrees"]]
    single = [row for row in rows if row["init_seed"] == 0]
    assert verdicts([claims.high_variance_and_many_inputs], single, MLPS) == [["no verdict"] * 2]


def written(rows, folder, **arguments):
    """The words of a report's page and the names of its figures."""
    page = report(runs(rows, **arguments), folder).read_text()
    return re.sub(r"base64,[^\"]+", "", page), {figure.stem for figure in (folder / "figures").glob("*.png")}


def figures_of(panel, dataset, *kinds):
    return {f"{kind}_of_{panel}_{dataset}" for kind in kinds}


@pytest.mark.filterwarnings("error")
def test_a_report_with_everything_in_it(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "others_of_fig_3ab_image_folder.png").touch()  # of an earlier report in the same folder
    words, drawn = written(GOOD, tmp_path, planned=22)
    kinds = ("ablation", "correlations", "frivolous", "others")
    assert drawn == {
        *("accuracy", "random_networks"),
        *figures_of(*GLOROT, *kinds),
        *figures_of("conv2", GLOROT[1], "frivolous"),
        *figures_of("fig_4b", GLOROT[1], "frivolous", "others"),
    }
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == set(TABLES)
    for text in (
        "20 used of 20 trained and 22 planned",
        "2 of 22 planned networks have no finished run yet",
        "Figure 4c: Glorot 2.64 ± 0.00; He 2.30 ± 0.00.",
        "Fewer networks a point than the paper&#39;s 3: Glorot; He",
        "2.29 to 2.81",
        "(0.038)",
    ):
        assert text in words
    assert "Not drawn: " not in words
    assert "nan" not in words.lower()
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?!["']?data:)""", words)
    for path in (tmp_path / "figures").glob("*.svg"):
        ET.parse(path)


def test_one_network_a_point_tells_nothing():
    """Its gain has no error: what looks firm may be chance."""
    single = [row for row in GOOD if row["init_seed"] == 0]
    for says in (claims.frivolous_units_outgrow, claims.inside_published):
        assert set(verdicts([says], single)[0]) == {"no verdict"}
    assert set(verdicts([claims.frivolous_units_outgrow], GOOD)[0]) != {"no verdict"}


def test_curves_inside_say_nothing_while_others_are_missing():
    every = [
        *initialised("glorot_normal", (0.15, 0.4), (0.3, 0.2)),
        *initialised("he_normal", (0.1, 0.2), (0.3, 0.2)),
        *initialised("lecun_normal", (0.1, 0.3), (0.3, 0.2)),
    ]
    assert "agrees" in verdicts([claims.inside_published], every)[0]
    fewer = [row for row in every if row["initializer"] != "lecun_normal"]
    assert "agrees" not in verdicts([claims.inside_published], fewer)[0]
    said = claims.inside_published(made(fewer), GLOROT)
    assert all(", 1 missing (" in claim.here for claim in said)


FALLING = "its learning rates fell by 5 % after each epoch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"precision": "bf16"}, "it trained in single precision"),
        ({"measured_images": 20}, "it measured units on 9,856 images or more"),
        ({"measured_images": 768}, "it measured units on 9,856 images or more"),
        ({"spec": ('"name":"exponential","factor":0.95', '"name":"constant"')}, FALLING),
        ({"spec": ('"factor":0.95', '"factor":0.5')}, FALLING),
    ],
)
def test_what_is_unlike_the_papers_has_no_published_values(tmp_path, changes, reason):
    rows = [
        row | {name: row[name].replace(*to) if isinstance(to, tuple) else to for name, to in changes.items()}
        for row in initialised("glorot_normal", (0.15, 0.4), (0.3, 0.2))
    ]
    assert set(verdicts([claims.frivolous_units_outgrow], rows)[0]) == {"no verdict"}
    words, _ = written(rows, tmp_path)
    assert f"Unlike the paper ({reason}): no published values and no verdicts" in words
    assert "(0.038)" not in words


def test_other_mlps_stand_in_no_panel_of_the_papers():
    for changes in ({"random_labels": True}, {"initializer": "glorot_normal"}, {"batch_size": 512}):
        table = made([network(mlp(1)) | changes]).frivolity
        assert set(table["panel"]) == {"other"}


@pytest.mark.filterwarnings("error")
def test_narrow_networks_are_shown(tmp_path):
    narrow = {"way": "excised", "units": 8, "left": 2, "same_answers": 0.85, "accuracy": 0.5}
    narrow |= {"whole_accuracy": 0.9}
    rows = [network(alexnet(width), narrowing=[narrow, narrow | {"way": "refactored"}]) for width in (0.25, 4)]
    words, drawn = written(rows, tmp_path)
    panel, dataset = GLOROT
    assert f"narrowed_of_{panel}_{dataset}" in drawn
    assert "Without their frivolous units: Figure 4c" in words
    assert "-40.0" in words


@pytest.mark.filterwarnings("error")
def test_units_that_were_looked_at_are_shown_and_tested(tmp_path):
    layers = ["conv1", "conv2", "fc1", "fc2"]
    rows = [
        network(alexnet(width, initializer=name), visualized=unit_images(layers, 1 + width, silent=1))
        for name in ("glorot_normal", "he_normal")
        for width in (0.25, 4)
    ]
    words, drawn = written(rows, tmp_path)
    panel, dataset = GLOROT
    assert {f"variation_of_{panel}_{dataset}", *(f"images_of_{panel}_{dataset}_{n}" for n in (1, 2))} <= drawn
    assert "Figure 4c, Glorot: 8 of 8 tests differ (Holm, 5 %), in 4 the narrow networks are easier" in words
    assert ">Images that excite units" in words
    table = pd.read_csv(tmp_path / "tables" / "interpretability.csv")
    assert len(table[table["panel"] == panel]) == 2 * 4 * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        pytest.param([network(mlp(1, samples=77), redundancy=[], curve_epoch=[])], 0, id="no panel of the paper's"),
        pytest.param([network(mlp(2), prunability=[], redundancy=[], test_accuracy=None)], 4, id="correlations alone"),
    ],
)
def test_a_slice_gives_a_report_that_says_what_is_missing(tmp_path, rows, missing):
    words, drawn = written(rows, tmp_path, scale="quick")
    assert words.count("Not drawn: ") == missing
    assert "random_networks" in drawn
    assert "nan" not in words.lower()
    assert set(re.findall(r'class="verdict [^"]+">([^<]+)<', words)) <= {"no verdict", "agrees", "differs"}


def test_the_command_writes_the_report_of_a_tracked_sweep(tmp_path):
    """A single network, whose redundancy alone was measured."""
    uri = new_store(tmp_path)
    write_sweep(uri, [records([network(mlp(1), prunability=[], correlation=[])])], study="frivolous")
    page = analyse("frivolous", out=tmp_path / "out", tracking_uri=uri).read_text()
    assert "1 used of 1 trained" in page
    assert page.count("Not drawn: ") == 2
    with pytest.raises(ValueError, match="cannot write the report to"):
        analyse("frivolous", out=tmp_path / "mlflow.db", tracking_uri=uri)


def test_tolerances_may_be_chosen_and_then_nothing_stands_beside(tmp_path):
    uri = new_store(tmp_path)
    rows = [network(alexnet(width), prunable=0.15 * width) for width in (0.25, 0.5)]
    write_sweep(uri, [records(rows)], study="frivolous")
    page = analyse("frivolous", out=tmp_path / "a", tracking_uri=uri, tolerances=["changed=0.3", "unexplained=0.1"])
    assert "at most 30 % of the answers change" in page.read_text()
    assert "(its tolerances are 20 % of the answers and 5 % of the variance): no published" in page.read_text()
    usual = analyse("frivolous", out=tmp_path / "b", tracking_uri=uri).read_text()
    assert "at most 20 % of the answers change" in usual
    table, other = (pd.read_csv(tmp_path / name / "tables" / "frivolity.csv") for name in "ba")
    for measure in ("prunability", "redundancy"):
        assert (other[measure] > table[measure]).all()


@pytest.mark.parametrize(
    ("study", "given", "problem"),
    [
        ("frivolous", "changd=0.3", "'changd' is none of changed, unexplained, by_position"),
        ("frivolous", "changed=30", "changed: '30' is no number from 0 to 1"),
        ("frivolous", "changed", "changed: '' is no number from 0 to 1"),
        ("frivolous", "by_position=1", "by_position: '1' is neither true nor false"),
        ("density", "changed=0.3", "the analysis of study 'density' has none to choose"),
    ],
)
def test_tolerances_that_there_are_not_are_one_line(tmp_path, study, given, problem):
    uri = new_store(tmp_path)
    write_sweep(uri, [records([network(mlp(1))])], study=study)
    with pytest.raises(ValueError, match=f"^--tolerance:? {problem}$"):
        analyse(study, out=tmp_path / "out", tracking_uri=uri, tolerances=[given])
