"""The sparsest study's report as a whole: from networks that were trained, and from slices of a sweep."""

import re
import sys
import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest
import typer
from synthetic import new_store, write_sweep
from synthetic_sparse import network, records
from test_analysis_sparsest import FULL, HOLED, SMALLER, runs
from typer.testing import CliRunner

from analysis import draw_network, figures
from analysis.__main__ import main
from analysis.runs import Runs, as_frame
from analysis.sparsest import paths
from analysis.sparsest.kept_network import rebuild
from analysis.sparsest.report import COLUMNS, report
from raydensity import data
from raydensity.experiment import run_cohort
from raydensity.pruning import search
from raydensity.spec import MLP, SGD, GlobalMagnitudePruning, LastEpoch, NetworkSpec, Spiral, Training
from raydensity.spec.sparsity import GMP, SNIP, Explicit, Random

GROUP = "_of_spiral_bench_95"
EVERY_FIGURE = {
    *("accuracy", f"spread{GROUP}", "smallest", "width", "connectivity", f"networks{GROUP}"),
    *("pruning_after_training", "path_probability"),
}


@pytest.fixture(autouse=True, scope="module")
def _quick():
    """A short simulation, which is tested elsewhere, and coarse pictures."""
    paths.probabilities.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "SAMPLES", 100)
        patch.setattr(figures, "DPI", 50)
        yield
    paths.probabilities.cache_clear()


def trained(sparsity, *, width=16, learning_rate=0.05, order_seed=0):
    return NetworkSpec(
        dataset=Spiral(samples=3000),
        architecture=MLP(width=width, hidden=(1, 1, 1)),
        initializer="torch_default",
        sparsity=sparsity,
        training=Training(
            optimizer=SGD(learning_rate=learning_rate, momentum=0.9, weight_decay=5e-4),
            batch_size=128,
            max_epochs=3,
            stopping=LastEpoch(),
        ),
        pruning=GlobalMagnitudePruning(),
        measures=(),
        init_seed=order_seed,
        data_seed=0,
        order_seed=order_seed,
    )


@pytest.fixture(scope="module")
def small_sweep():
    """The record of twenty networks that were trained for a moment."""
    masks = [search.structured((3, 2, 2)), *islice(search.unstructured((3, 2, 2)), 3)]
    cohorts = [
        [trained(Explicit(rows=rows), order_seed=order) for rows in masks for order in (0, 1)],
        *([trained(SNIP(nonzeros=count), width=width) for count in (20, 26)] for width in (3, 16)),
        *([trained(Random(nonzeros=count), width=width) for count in (20, 26)] for width in (3, 16)),
        [trained(GMP(nonzeros=count), learning_rate=rate) for count in (20, 26) for rate in (0.05, 0.1)],
    ]
    return pa.concat_tables([run_cohort(specs) for specs in cohorts])


@pytest.mark.filterwarnings("error")
def test_a_report_of_trained_networks(small_sweep, tmp_path):
    frame = as_frame(small_sweep.select(["network_id", *COLUMNS]))
    sweep = Runs("sparsest", "quick", "a" * 20, "2026-01-01T00:00:00+00:00", 25, frame)
    page = report(sweep, tmp_path).read_text()
    data_set = "spiral, 3,000 points"
    assert set(pd.read_csv(tmp_path / "tables" / "sparsest.csv")["dataset"]) == {data_set}
    assert "20 sparse of 20 trained and 25 planned" in page
    assert "5 of 25 planned networks have no finished run yet" in page
    assert "samples 3000 (the paper&#39;s: 50000); 3 epochs (the paper&#39;s: 50). Claims get no verdict here." in page
    words = re.sub(r"base64,[^\"]+", "", page)
    assert "No network reaches a target." in words
    verdicts = re.findall(r'class="verdict [^"]+">([^<]+)<', words)
    assert verdicts.count("no verdict") == len(verdicts) - 1, "the theorem needs no network"
    assert "nan" not in words.lower().replace("finance", "")
    assert page.count('src="data:image/png;base64,') == 7
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?!["']?data:)""", words)
    for drawn in (tmp_path / "figures").glob("*.svg"):
        ET.parse(drawn)


def test_a_record_gives_back_the_network_that_was_measured(small_sweep):
    """The accuracy on the validation points, from the weights in the record alone."""
    loaded = data.load(Spiral(samples=3000))
    validation = data.split(loaded, 0)[1]
    points = loaded.train_images[validation].double().numpy()
    labels = loaded.train_labels[validation].numpy()
    for _, row in as_frame(small_sweep).iterrows():
        logits = rebuild(row).activations(points)[-1][:, 0]
        assert ((logits > 0) == labels).mean() == pytest.approx(row["validation_accuracy"], abs=2 / len(labels))


FEW = [network(FULL, 0.96, removable=1), network(FULL, 0.93, order_seed=1), network(HOLED, 0.952)]
PRUNED = [
    network(GMP(nonzeros=count), accuracy, width=width, learning_rate=rate, removable=4)
    for count, accuracy in ((16, 0.8), (20, 0.97))
    for width in (3, 16)
    for rate in (0.05, 0.1)
]
LOST = dict.fromkeys(["weights_kept", "nonzeros", "connected_nonzeros", "disconnected_units", "kept_value"])
UNKNOWN = dict.fromkeys(["kept_layer", "kept_unit", "kept_input", "kept_value"])


def written(rows, folder):
    """The words of a report's page and the names of its figures."""
    page = report(runs(rows), folder).read_text()
    return re.sub(r"base64,[^\"]+", "", page), {figure.stem for figure in (folder / "figures").glob("*.png")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a sweep that has something of everything: its folder, words and figures."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *written([*FEW, *PRUNED], folder)


def test_a_report_with_everything_in_it(whole):
    _, words, drawn = whole
    assert drawn == EVERY_FIGURE
    assert "Not drawn: " not in words
    assert "Not as in the paper: " not in words
    for text in ("From BENCH-95: 1 of 2 trainings of it reach 95 %", "Structure 3x2x2, from BENCH-95", "GMP 100 %"):
        assert text in words


def test_neither_packing_nor_order_changes_a_table_or_a_figure(whole, tmp_path):
    written([*PRUNED[::-1], *FEW[::-1]], tmp_path)
    files = sorted(path for path in whole[0].rglob("*.*") if path.suffix != ".html")
    assert len(files) > 20
    for path in files:
        assert path.read_bytes() == (tmp_path / path.relative_to(whole[0])).read_bytes(), path.name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        pytest.param([FEW[0]], {"width"}, id="a single network"),
        pytest.param(PRUNED[:2], {"pruning_after_training", "width"}, id="pruners alone that reach nothing"),
        pytest.param(
            [network(GMP(nonzeros=20), 0.9, status="diverged", **LOST), network(SMALLER, 0.6, **UNKNOWN)],
            {"pruning_after_training", "width", f"networks{GROUP}"},
            id="pruners that diverged, a record without weights",
        ),
    ],
)
def test_a_slice_gives_a_report_that_says_what_is_missing(tmp_path, rows, missing):
    (tmp_path / "figures").mkdir()
    for old in ("networks_of_spiral_random", *missing):  # of an earlier report in the same folder
        (tmp_path / "figures" / f"{old}.png").touch()
    words, drawn = written(rows, tmp_path)
    assert drawn == EVERY_FIGURE - missing
    assert words.count("Not drawn: ") == len(missing) + 1, "and no structure was trained again"
    assert "nan" not in words.lower()


def test_the_command_line_draws_a_network(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "analysis.density.report", ModuleType("one that draws no networks"))
    uri = new_store(tmp_path)
    write_sweep(uri, [records(FEW)], study="sparsest")
    app = typer.Typer()
    app.command()(main)

    def command(*arguments):
        return CliRunner().invoke(app, [*arguments, "--tracking-uri", uri, "--out", str(tmp_path / "out")])

    own = FEW[0]["network_id"]
    done = command("sparsest", "--network", own[:8])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(tmp_path / "out" / "networks" / f"{own}.{kind}") for kind in ("png", "svg")]
    assert all(Path(path).exists() for path in done.stdout.split())
    done = command("density", "--network", own)
    assert done.exit_code == 2
    assert done.stderr == "error: the analysis of study 'density' draws no single networks\n"


def test_an_unknown_network_is_refused_in_one_line(tmp_path):
    uri = new_store(tmp_path)
    write_sweep(uri, [records(FEW)], study="sparsest")
    with pytest.raises(ValueError, match=r"^0 networks of sweep [0-9a-f]+ have an id that begins with 'zzz'$"):
        draw_network("sparsest", "zzz", out=tmp_path, tracking_uri=uri)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot write the picture to"):
        draw_network("sparsest", FEW[0]["network_id"], out=tmp_path / "file", tracking_uri=uri)
