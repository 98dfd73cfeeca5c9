"""Networks rebuilt from their records, and the pictures of them."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_sparse import network
from test_analysis_sparsest import FULL, HOLED, runs

from analysis.sparsest import pictures
from analysis.sparsest.kept_network import rebuild
from analysis.sparsest.networks import prepare
from analysis.sparsest.spiral import arms
from raydensity import data
from raydensity.measures.connectivity import connected
from raydensity.spec import Spiral
from raydensity.spec.sparsity import GMP, SNIP, SynFlow


def record(weights, biases):
    """The row of a network that is given as matrices."""
    kept = []
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        kept += [(layer, unit, source, weight[unit, source]) for unit, source in zip(*np.nonzero(weight), strict=True)]
        kept += [(layer, unit, -1, bias[unit]) for unit in np.flatnonzero(bias)]
    columns = dict(zip(("kept_layer", "kept_unit", "kept_input", "kept_value"), zip(*kept, strict=True), strict=True))
    return pd.Series({"hidden": "-".join("1" for _ in weights[1:]), **columns})


def at_random(sizes, density, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)) * (rng.random((b, a)) < density) for a, b in pairwise(sizes)]
    return weights, [rng.normal(size=size) * (rng.random(size) < density) for size in sizes[1:]]


@pytest.mark.parametrize("density", [0.1, 0.3, 1.0])
def test_rebuilt_networks_give_what_torch_gives(density):
    weights, biases = at_random((2, 6, 5, 4, 1), density, seed=3)
    points = np.random.default_rng(0).normal(size=(50, 2))
    hidden = torch.from_numpy(points)
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.nn.functional.linear(hidden, torch.from_numpy(weight), torch.from_numpy(bias))
        hidden = hidden.relu() if number < 3 else hidden
    found = rebuild(record(weights, biases)).activations(points)
    np.testing.assert_allclose(found[-1], hidden.numpy(), atol=1e-12)
    assert len(found) == 5


@pytest.mark.parametrize("seed", range(8))
def test_what_is_connected_is_what_the_engine_says(seed):
    weights, biases = at_random((2, 6, 5, 4, 1), 0.25, seed)
    found = connected([torch.from_numpy(weight != 0)[None] for weight in weights])
    own = rebuild(record(weights, biases))
    assert own.layers == 4
    for layer, units in enumerate(found.units, start=1):
        flags = own.connected()[layer]
        expected = units[0].numpy()
        np.testing.assert_array_equal(flags, expected[: len(flags)])
        assert not expected[len(flags) :].any()
        apart = own.used()[layer] & ~flags
        assert apart.sum() == found.disconnected_units[0, layer - 1]


def test_networks_that_are_no_picture_are_told():
    weights, biases = at_random((3, 2, 1), 1.0, seed=0)
    with pytest.raises(ValueError, match="two inputs and one output"):
        rebuild(record(weights, biases))
    empty = {name: [] for name in ("kept_layer", "kept_unit", "kept_input", "kept_value")}
    with pytest.raises(ValueError, match="holds no weights"):
        rebuild(pd.Series({"hidden": "1-1-1", **empty}))


@pytest.mark.parametrize("samples", [50_000, 1000])
def test_the_arms_go_through_the_points_that_networks_see(samples):
    points = data.load(Spiral(samples=samples))
    for label, arm in enumerate(arms(samples)):
        own = points.train_images[points.train_labels == label].double().numpy()
        assert arm.shape == (17, 2)
        for corner in arm:
            assert np.linalg.norm(own - corner, axis=1).min() < 1e-6
        np.testing.assert_allclose(own[[0, -1]], arm[[0, -1]], atol=1e-6)


def networks_of(rows):
    return prepare(runs(rows))


def test_the_searchs_smallest_and_the_pruners_best_that_are_no_larger():
    rows = [
        network(FULL, 0.99),
        network(HOLED, 0.96),
        network(HOLED, 0.97, order_seed=1),
        network(GMP(nonzeros=16), 0.8, nonzeros=24),
        network(GMP(nonzeros=17), 0.7, nonzeros=24),
        network(GMP(nonzeros=26), 0.96, nonzeros=25),
        network(SNIP(nonzeros=26), 0.9, nonzeros=40),
        network(SNIP(nonzeros=24), 0.85, nonzeros=38),
        network(SynFlow(nonzeros=20), 0.5, nonzeros=23),
        network(GMP(nonzeros=16), 0.9, nonzeros=20, width=3),
    ]
    networks = networks_of(rows)
    chosen = pictures.chosen(networks, ("spiral", "BENCH-95"))
    ids = networks.every.loc[chosen, "network_id"]
    # The search's at 24 nonzeros; of each pruner, at any width, the best with 24 at most, else the least above.
    assert list(ids) == [rows[place]["network_id"] for place in (2, 9, 7, 8)]


def test_where_the_search_does_not_reach_the_target_its_best_is_drawn():
    rows = [network(FULL, 0.9), network(HOLED, 0.8)]
    networks = networks_of(rows)
    [index] = pictures.chosen(networks, ("spiral", "BENCH-95"))
    assert networks.every.loc[index, "network_id"] == rows[0]["network_id"]


def test_a_network_is_drawn_by_the_beginning_of_its_id(tmp_path):
    rows = [network(FULL, 0.96), network(GMP(nonzeros=20), 0.9)]
    own = rows[1]["network_id"]
    png, svg = pictures.picture(runs(rows), own[:10], tmp_path)
    assert (png, svg) == (tmp_path / "networks" / f"{own}.png", tmp_path / "networks" / f"{own}.svg")
    assert png.stat().st_size > 10_000
    words = "".join(ET.parse(svg).getroot().itertext())
    assert "GMP at width 16" in words
    assert "accuracy 90.00 %" in words
    first = png.read_bytes(), svg.read_bytes()
    pictures.picture(runs(rows[::-1]), own, tmp_path)
    assert (png.read_bytes(), svg.read_bytes()) == first


def test_ids_that_name_no_network_or_several_are_refused(tmp_path):
    rows = [network(FULL, 0.96), network(GMP(nonzeros=20), 0.9, status="diverged", kept_layer=[], kept_value=[])]
    shared = [row | {"network_id": "abc" + row["network_id"][3:]} for row in rows]
    for words, count in (("abc", 2), ("xyz", 0), ("", 2)):
        with pytest.raises(ValueError, match=f"^{count} networks of sweep a+ have an id that begins with '{words}'"):
            pictures.picture(runs(shared), words, tmp_path)
    with pytest.raises(ValueError, match="is no name of a figure's file"):  # from a store that others write to
        pictures.picture(runs([rows[0] | {"network_id": "../../elsewhere"}]), "../", tmp_path / "report")
    with pytest.raises(ValueError, match="cannot be drawn: its record holds no weights"):
        pictures.picture(runs(rows), rows[1]["network_id"], tmp_path)
    assert not list(tmp_path.rglob("*.png"))


def test_titles_say_what_a_network_is():
    networks = networks_of([network(FULL, 0.96), network(GMP(nonzeros=20), 0.9, nonzeros=30, connected_nonzeros=12)])
    titles = {pictures.title(row).split(", 0")[0] for _, row in networks.every.iterrows()}
    assert any("search, structure 3x2x2, from BENCH-95\n26 nonzeros, accuracy 96.00 %" in title for title in titles)
    assert any("GMP at width 16, from BENCH-95\n30 nonzeros (12 connected)" in title for title in titles)
