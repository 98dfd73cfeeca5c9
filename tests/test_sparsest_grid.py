"""The sparsest-models study's grids: the published counts of runs, what `found` finds, and what is refused."""

import collections

import numpy as np
import pytest
import synthetic_sparse
from ray.tune import grid_search

from raydensity import published_weights
from raydensity.command import requests
from raydensity.grid import configure, expand, size
from raydensity.ledger import Ledger
from raydensity.placement import Node
from raydensity.plan import make
from sweeps import sparsest
from sweeps.sparsest import STUDY


def networks(scale, **settings):
    return list(expand(STUDY, configure(STUDY, scale=scale, settings=settings)).values())


@pytest.mark.parametrize(
    ("experiment", "part", "count"),
    [
        ("BENCH-95", "structured", 558),
        ("BENCH-95", "unstructured", 2_496),
        ("BENCH-95", "pruning", 9_720),
        ("BENCH-995", "structured", 2_034),
        ("BENCH-995", "pruning", 11_340),
        ("random", "structured", 24_576),
        ("random", "pruning", 18_954),
    ],
)
def test_published_counts(experiment, part, count):
    """Specification d.3 and d.4; the larger searches are counted in tests/test_search.py."""
    found = networks("paper", experiment=[experiment], part=[part])
    assert len(found) == count
    assert {spec.training.max_epochs for spec in found} == {50}
    assert {spec.training.batch_size for spec in found} == {128}
    assert {(s.training.optimizer.momentum, s.training.optimizer.weight_decay) for s in found} == {(0.9, 5e-4)}
    assert {spec.training.schedule.name for spec in found} == {"cosine", "multistep", "constant"}


def test_the_paper_has_485_838_runs():
    assert size(STUDY, STUDY.spaces["paper"]) == 485_838


def test_reduced_is_the_whole_bench_95_experiment_and_two_slices():
    found = networks("reduced")
    bench = [spec for spec in found if spec.initial_weights == published_weights.PUBLISHED["BENCH-95"]]
    # Phase 2's full mask is phase 1's network of that structure, and trained once. Four more repeats of the 37
    # structures of at most 26 nonzeros and of all 416 masks.
    assert len(bench) == (12_774 - 6) + 4 * 6 * (37 + 416 - 1)
    others = [spec for spec in found if not spec.initial_weights]
    assert {spec.sparsity.name for spec in others} == {"explicit", "gmp", "snip", "synflow"}
    assert {spec.architecture.width for spec in others} == {3, 16, 64}


def test_a_width_that_has_no_more_weights_than_are_kept_is_left_out():
    kept = {spec.sparsity.nonzeros for spec in networks("paper", experiment=["random"], part=["pruning"], width=["3"])}
    assert max(kept) == 26  # of 27


def test_draws_are_shared_by_methods_and_by_nothing_else():
    found = networks("quick", part=["pruning"])
    by_method = {
        name: {spec.init_seed for spec in found if spec.sparsity.name == name} for name in ("gmp", "snip", "synflow")
    }
    assert by_method["gmp"] == by_method["snip"] == by_method["synflow"]
    assert len(by_method["gmp"]) == len(found) / 3
    searched = networks("quick", part=["unstructured"])
    assert len({spec.init_seed for spec in searched}) == len(searched) == 416 * 4
    assert {spec.order_seed for spec in searched} == set(range(16)), "a pool of orders, not one for all"
    orders = {(spec.init_seed, spec.order_seed) for spec in found}
    assert len(orders) == len(found) / 3, "methods are compared on the same order of the batches"


def test_repeats_see_different_orders():
    found = networks("reduced", part=["structured"], structure=["3x2x2"], experiment=["BENCH-95"], repeat=list("01234"))
    orders = collections.defaultdict(set)
    for spec in found:
        orders[spec.training.optimizer.learning_rate, spec.training.schedule.name].add(spec.order_seed)
    assert [len(each) for each in orders.values()] == [5] * 6
    assert len(set().union(*orders.values())) > 5


def test_published_variants_draw_weights_as_the_published_code():
    found = networks("quick", part=["pruning"], published=["true"], method=["gmp", "snip", "grasp"])
    assert {(spec.sparsity.name, spec.initializer) for spec in found} == {
        ("gmp", "torch_default"),
        ("snip", "xavier_normal"),
        ("grasp", "xavier_normal"),
    }


def test_weights_are_known_by_content(tmp_path):
    arrays = {"a.weight": np.ones((16, 2)), "a.bias": np.ones(16), "b.weight": np.ones((1, 16)), "b.bias": np.ones(1)}
    for name in ("one.npz", "two.npz"):
        np.savez(tmp_path / name, **arrays)
    one, two = (
        networks("quick", part=["structured"], depth=["1"], initial_weights=[str(tmp_path / name)])
        for name in ("one.npz", "two.npz")
    )
    assert [spec.id for spec in one] == [spec.id for spec in two]
    assert len({spec.initial_weights for spec in one}) == 1
    with pytest.raises(ValueError, match=r"there is no file .*missing.npz"):
        networks("quick", initial_weights=[str(tmp_path / "missing.npz")])


def test_other_depths_and_widths_are_searched_alike():
    found = networks("quick", part=["unstructured"], structure=["2x2"], depth=["2"], width=["8"])
    assert {spec.architecture.hidden for spec in found} == {(1, 1)}
    assert {spec.sparsity.structure for spec in found} == {"2x2"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"structure": ["3x0x2"]}, "3x0x2"),
        ({"method": ["magic"]}, "magic"),
        ({"schedule": ["cosine", "linear"]}, "linear"),
        ({"nonzeros": ["-3"]}, "nonzeros"),
        ({"part": ["pruning"], "first_masks": ["3"]}, "first_masks"),
        ({"part": ["structured", "unstructured"], "distribution": ["uniform"]}, "distribution"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(settings, words):
    with pytest.raises(ValueError, match=words) as error:
        networks("paper", experiment=["BENCH-95"], **settings)
    assert "\n" not in str(error.value)


def test_a_factor_of_one_method_has_an_effect():
    found = networks("paper", experiment=["BENCH-95"], part=["pruning"], distribution=["uniform"])
    assert {spec.sparsity.distribution for spec in found if spec.sparsity.name == "rigl"} == {"uniform"}


def test_a_structure_that_is_too_large_is_refused_before_anything_trains(tmp_path):
    wide = expand(STUDY, configure(STUDY, scale="quick", settings={"structure": ["5x2x2"], "part": ["unstructured"]}))
    with pytest.raises(ValueError, match="5x2x2 does not fit"):
        make("sparsest", scale="quick", networks=wide, ledger=Ledger(tmp_path, "sparsest"), nodes=[Node(cpus=2)])


def test_found_is_the_smallest_structure_that_reached_the_target(tmp_path):
    ledger = Ledger(tmp_path, "sparsest")
    ledger.prepare()
    spaces = [sparsest.unstructured("random", "random", "found", target=0.95)]
    with pytest.raises(ValueError, match=r"no structure of width 16 has reached 95.0% from random weights yet"):
        STUDY.resolve(spaces, ledger)
    rows = [
        ("3x3x3", 37, 0.96, ""),
        ("3x2x2", 26, 0.951, ""),
        ("2x3x2", 26, 0.97, ""),
        ("2x2x2", 21, 0.94, ""),
        ("1x1x1", 9, 0.99, published_weights.PUBLISHED["BENCH-95"]),
        ("3x1x1", 10, 0.99, ""),  # fewer nonzeros than the structure has: a mask of phase 2
    ]
    regime = networks("paper", experiment=["random"], part=["structured"], structure=["1x1x1"])[0].factors()
    ledger.write(synthetic_sparse.searched(rows, regime))
    for cohort, change in zip("def", ({"noise": 0.1}, {"width": 4.0}, {"max_epochs": 5}), strict=True):
        ledger.write(synthetic_sparse.searched([("1x1x1", 9, 0.99, "")], {**regime, **change}, cohort))
    [space] = STUDY.resolve(spaces, ledger)
    assert space["structure"] == grid_search(["2x3x2"])
    again = expand(STUDY, [space | {"learning_rate": 0.1, "schedule": "constant"}])
    assert {spec.sparsity.structure for spec in again.values()} == {"2x3x2"}


def test_found_is_asked_for_by_the_command(tmp_path):
    def ask(**settings):
        given = {"part": ["unstructured"], "structure": ["found"], **settings}
        return requests(
            {"sparsest": STUDY}, ["sparsest"], scale="quick", settings={"sparsest": given}, out=tmp_path, readonly=False
        )

    with pytest.raises(ValueError, match=r"no structure of width 4 has reached 95.0% from random weights yet"):
        ask()
    with pytest.raises(ValueError, match=r"--set target: 95 is not a share"):
        ask(target=["95"])
    regime = networks("quick", part=["structured"], structure=["1x1x1"])[0].factors()
    ledger = Ledger(tmp_path, "sparsest")
    ledger.prepare()
    ledger.write(synthetic_sparse.searched([("2x2x2", 21, 0.96, "")], regime))
    [found] = ask()
    assert {spec.sparsity.structure for spec in found.networks.values()} >= {"2x2x2"}
    assert len(found.networks) == sparsest.search.count_unstructured((2, 2, 2)) * 2 * 2  # rates, schedules


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"part": ["pruning"], "nonzeros": ["1000000"]}, "has no network of experiment=random, part=pruning"),
        ({"nonzeros_below": ["3"]}, "has no network of experiment=random, part=structured"),
        ({"hidden_weights_below": ["-1"]}, "has no network of experiment=random, part=unstructured"),
        ({"noise": ["-1"]}, r"noise.* = -1.0: Input should be greater than or equal to 0"),
        ({"samples": ["3"]}, r"samples = 3: Input should be greater than or equal to 100"),
        ({"dataset": ["mnist"]}, "'mnist' is not the data set of this study, spiral"),
        ({"part": ["pruning"], "method": ["lth"], "rewind_epoch": ["60"]}, "--set: rewind_epoch must be below"),
    ],
)
def test_settings_that_leave_nothing_or_fit_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words) as error:
        networks("quick", **settings)
    assert "\n" not in str(error.value)
