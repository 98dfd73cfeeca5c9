"""Pictures of cohorts: lines or bands, and of what."""

import math

import pyarrow as pa
import pytest
import simulated
import synthetic
from matplotlib.figure import Figure

from raydensity.cohort_picture import draw
from raydensity.pruning.search import structured
from raydensity.record import SCHEMA
from raydensity.spec.sparsity import Explicit
from raydensity.tracking import cohort_title


def dense(count, **changes):
    specs = synthetic.grid(widths=(1,), initializers=["he_uniform"], init_seeds=range(count), data_seeds=[0])
    return synthetic.records([synthetic.network(spec, **changes) for spec in specs], cohort_size=count)[0]


def sparse(count):
    full = structured((3, 2, 2))
    return simulated.record([simulated.spiral(Explicit(rows=full), init_seed=seed) for seed in range(count)])


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws a record: the axes of its two panels."""
    found = []
    plain = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (found.append(figure), plain(figure, *a, **k)))

    def axes(record):
        path = tmp_path / "curves.png"
        draw(record, path, title="a cohort")
        assert path.read_bytes().startswith(b"\x89PNG")
        return found[-1].axes

    return axes


def test_few_networks_are_a_line_each(drawn):
    training, pruning = drawn(dense(10))
    assert len(training.lines) == 20  # and a cross
    assert len(pruning.lines) == 10
    assert (training.get_ylabel(), pruning.get_xlabel()) == ("validation loss", "weights removed, %")
    assert list(pruning.lines[0].get_xdata()) == pytest.approx(list(range(0, 101, 2)))


def test_many_networks_are_bands(drawn):
    table = dense(60)
    training, pruning = drawn(table)
    for axes in (training, pruning):
        assert (len(axes.lines), len(axes.collections)) == (1, 2)
    accuracy = sorted(row[0] for row in table["prune_validation_accuracy"].to_pylist())
    assert pruning.lines[0].get_ydata()[0] == pytest.approx(50 * (accuracy[29] + accuracy[30]))


def test_networks_whose_validation_set_is_seen_at_the_end_show_their_training(drawn):
    for count in (5, 60):
        training, _ = drawn(sparse(count))
        assert training.get_ylabel() == "training loss"
        assert list(training.lines[0].get_xdata()) == list(range(1, 51))


def test_sparse_networks_are_compared_by_the_weights_they_have_left(drawn):
    table = sparse(60)
    rows = table.to_pylist()
    for row in rows[:20]:  # a quarter of them begins with 10 weights, not with 30
        for name in ("removed", "weights_left", "validation_accuracy", "validation_loss"):
            row[f"prune_{name}"] = row[f"prune_{name}"][20:]
        row["prune_validation_accuracy"] = [0.5] * 11
    _, pruning = drawn(pa.Table.from_pylist(rows, schema=SCHEMA))
    assert pruning.get_xlabel() == "weights left"
    assert pruning.get_xlim() == (30, 0)
    [lowest, _] = [path.get_paths()[0].get_extents().y0 for path in pruning.collections]
    assert lowest == pytest.approx(50)
    median = dict(zip(pruning.lines[0].get_xdata(), pruning.lines[0].get_ydata(), strict=True))
    assert sorted(median) == list(range(31))


@pytest.mark.parametrize("count", [1, 60])
def test_diverged_networks_and_those_without_curves_do_no_harm(drawn, count):
    nothing = dict.fromkeys(["prune_removed", "prune_weights_left", "prune_validation_accuracy"])
    losses = {f"curve_{name}_loss": [2.0, math.inf] for name in ("train", "validation")}
    training, pruning = drawn(dense(count, status="diverged", curve_epoch=[1, 2], **losses, **nothing))
    assert training.lines[0].get_xdata()[0] == 1
    assert not any(len(line.get_xdata()) for line in pruning.lines)


def test_titles_name_the_method():
    [row] = sparse(1).to_pylist()
    assert cohort_title(row, 4096) == "mlp ×16 · explicit · sgd · spiral · 4,096 networks"
    assert cohort_title(dense(1).to_pylist()[0], 1) == "mlp ×1 · sgd · digits · 1 network"
