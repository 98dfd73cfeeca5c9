"""The verdicts on what is known of the paper's claims."""

import pytest
from synthetic_sparse import network
from test_analysis_sparsest import FULL, HOLED, SMALLER, runs

from analysis.sparsest import claims, coverage, paths, pruner_claims
from analysis.sparsest.networks import prepare
from analysis.sparsest.tables import tables
from raydensity.pruning import search
from raydensity.spec.sparsity import GMP, SNIP, Explicit


def judged(rows, says):
    networks = prepare(runs(rows))
    return claims.judged(networks, tables(networks), [says])


SETTINGS = [
    {"learning_rate": rate, "schedule": schedule}
    for rate in (0.05, 0.1)
    for schedule in ("constant", "cosine", "multistep")
]
SMALL = [
    Explicit(rows=search.structured(dims))
    for dims in search.structures(16, 3)
    if search.nonzeros(search.structured(dims)) < 26
]


def structures(accuracy, settings=SETTINGS):
    """Every structure with fewer nonzeros than 3x2x2, as accurate as that, in all of the settings."""
    return [network(sparsity, accuracy, **setting) for sparsity in SMALL for setting in settings]


def test_a_structure_suffices_if_one_of_its_trainings_reaches_the_target():
    rows = [network(FULL, 0.9, order_seed=order) for order in range(29)]
    for last, verdict in ((0.951, True), (0.949, False)):
        [claim] = judged([*rows, network(FULL, last, order_seed=29)], claims.winners_suffice)
        assert claim.agrees is verdict
        assert "26 nonzeros, all of the structure (3,2,2), suffice for 95 %" in claim.paper
        assert claim.here.startswith(f"From BENCH-95: {int(verdict)} of 30 trainings of it reach 95 %")
    [claim] = judged(rows, claims.winners_suffice)
    assert claim.agrees is None, "29 are too few to say that none does"
    [claim] = judged([network(HOLED, 0.97)], claims.winners_suffice)
    assert claim.agrees is None, "a mask with holes is not that structure"
    assert claim.here == "From BENCH-95: that structure was not trained."


def test_random_weights_have_two_winners():
    rows = [network(Explicit(rows=search.structured((3, 3, 3))), 0.96, start="random")]
    reached, missing = judged(rows, claims.winners_suffice)
    assert (reached.agrees, missing.agrees) == (True, None)
    assert "37 nonzeros" in reached.paper
    assert "61 nonzeros" in missing.paper


def test_no_smaller_structure():
    assert len(SMALL) == 34
    [claim] = judged([*structures(0.8), network(FULL, 0.96)], claims.smallest_structure)
    assert claim.agrees is True
    assert "none of 34 tried does (there are 34); the best has 80.00 %" in claim.here
    assert claim.here.endswith("Trainings of each: 6; of (3,2,2): 1, of which 1 reach it.")
    [claim] = judged([*structures(0.8)[6:], network(FULL, 0.96)], claims.smallest_structure)
    assert claim.agrees is None, "a structure is missing"
    [claim] = judged([*structures(0.8), network(SMALLER, 0.96, order_seed=1)], claims.smallest_structure)
    assert claim.agrees is False
    assert "2x2x2 with 21 nonzeros does (96.00 %), in 1 of 7 trainings" in claim.here


def test_smaller_structures_must_have_had_the_chances_of_the_winner():
    winner = [network(FULL, 0.96, order_seed=order) for order in range(7)]
    [claim] = judged([*structures(0.8), *winner], claims.smallest_structure)
    assert claim.agrees is None, "seven trainings against six"
    assert "Trainings of each: 6; of (3,2,2): 7, of which 7 reach it." in claim.here
    [claim] = judged([*structures(0.8), network(FULL, 0.94)], claims.smallest_structure)
    assert claim.agrees is None, "the winner does not reach the target either"
    [claim] = judged([*structures(0.8, SETTINGS[1:]), winner[0]], claims.smallest_structure)
    assert claim.agrees is None, "the paper has six settings"
    assert "Trainings of each: 5;" in claim.here


def pruned(nonzeros, *, method=GMP, **changes):
    return network(method(nonzeros=26), 0.96, nonzeros=nonzeros, **changes)


LOST = network(SNIP(nonzeros=26), 0.9)


@pytest.fixture
def as_many_as_published(monkeypatch):
    """As if the paper had searched one network and pruned two."""
    monkeypatch.setitem(coverage.SEARCHED, "BENCH-95", 1)
    monkeypatch.setitem(coverage.PRUNED, "BENCH-95", 2)


@pytest.mark.usefixtures("as_many_as_published")
def test_the_search_beats_every_pruner():
    for nonzeros, verdict in ((29, True), (28, None), (26, False), (25, False)):
        rows = [network(FULL, 0.96), network(FULL, 0.9, order_seed=1), pruned(nonzeros), LOST]
        [claim] = judged(rows, claims.search_beats_pruners)
        assert claim.agrees is verdict
        gap = f"{nonzeros - 26:+}"
        assert claim.here.startswith(
            f"From BENCH-95: the search 26 (1 of 2); GMP {nonzeros} ({gap}, 1 of 1); 1 more does not reach it."
        )
        assert "Trained: 2 networks of the search, 1 of each pruner at a width." in claim.here
        assert ("GMP by less than a tenth" in claim.here) is (verdict is None)
    [claim] = judged([network(FULL, 0.96), LOST, network(GMP(nonzeros=26), 0.9)], claims.search_beats_pruners)
    assert claim.agrees is True
    assert claim.here.startswith("From BENCH-95: the search 26 (1 of 1); none of the pruners reaches it.")
    assert judged([network(FULL, 0.96)], claims.search_beats_pruners) == []
    assert judged([pruned(27)], claims.search_beats_pruners) == []


@pytest.mark.parametrize(("nonzeros", "missing"), [(29, "PRUNED"), (25, "SEARCHED")])
@pytest.mark.usefixtures("as_many_as_published")
def test_who_loses_with_fewer_networks_than_in_the_paper_has_not_lost(monkeypatch, nonzeros, missing):
    monkeypatch.setitem(getattr(coverage, missing), "BENCH-95", 9_720)
    [claim] = judged([network(FULL, 0.96), pruned(nonzeros), LOST], claims.search_beats_pruners)
    assert claim.agrees is None
    assert ("Pruned: 2 networks" if missing == "PRUNED" else "Phase 1 alone was searched: 1 networks") in claim.here
    assert "in the paper 9,720." in claim.here


@pytest.mark.usefixtures("as_many_as_published")
def test_repeated_networks_do_not_make_a_search_larger(monkeypatch):
    monkeypatch.setitem(coverage.SEARCHED, "BENCH-95", 3)
    rows = [network(FULL, 0.96, order_seed=order) for order in range(3)]
    [claim] = judged([*rows, pruned(25)], claims.search_beats_pruners)
    assert claim.agrees is None


@pytest.mark.usefixtures("as_many_as_published")
def test_the_gap_after_pruning_is_judged_alike():
    """From 26 and 40 nonzeros, of which pruning after training leaves as few or more."""
    rows = [network(FULL, 0.96), network(GMP(nonzeros=40), 0.96), LOST]
    [claim] = judged(rows, claims.gap_after_training)
    assert claim.agrees is True
    assert claim.here.startswith("From BENCH-95: 26 are left of the search's; GMP ")
    assert "That is of 1 networks of the search that reach the target, and 1 of the pruners." in claim.here
    [claim] = judged(rows[:-1], claims.gap_after_training)
    assert claim.agrees is None, "one pruned network, and the paper has two"
    rows = [network(FULL, 0.96), network(GMP(nonzeros=40), 0.96, removable=38), LOST]
    [claim] = judged(rows, claims.gap_after_training)
    assert claim.agrees is False


def test_few_nonzeros_of_random_weights():
    small = network(FULL, 0.96, start="random", nonzeros=30)
    reached, missing = judged([small], claims.few_nonzeros)
    assert (reached.agrees, missing.agrees) == (True, None)
    assert judged([network(FULL, 0.96)], claims.few_nonzeros) == []


def test_pruners_that_disconnect_units():
    apart = {"disconnected_units": [1, 0, 0]}
    together = {"disconnected_units": [0, 0, 0]}
    [claim] = judged([network(GMP(nonzeros=20), 0.9, **apart)], pruner_claims.pruners_disconnect)
    assert claim.agrees is True
    assert "at width 16, 20 weights: GMP 100 %" in claim.here
    rows = [network(GMP(nonzeros=20), 0.9, **apart), network(SNIP(nonzeros=20), 0.9, **together)]
    [claim] = judged(rows, pruner_claims.pruners_disconnect)
    assert claim.agrees is False, "one of two methods is not most of them"


@pytest.fixture
def one_is_enough(monkeypatch):
    monkeypatch.setattr(pruner_claims, "FEWEST_TRAININGS", 1)


@pytest.mark.usefixtures("one_is_enough")
def test_a_wider_start_hurts():
    narrow = pruned(30, width=3)
    [claim] = judged([narrow, pruned(40)], pruner_claims.width_hurts)
    assert claim.agrees is True
    assert claim.here == (
        "From BENCH-95: from width 3 to 16, 95 % takes more nonzeros with GMP, and fewer with none. "
        "Networks of each method, width and number of weights: 1 or more."
    )
    [claim] = judged([narrow, network(GMP(nonzeros=26), 0.9)], pruner_claims.width_hurts)
    assert claim.agrees is True, "what is not reached at all is worse"
    [claim] = judged(
        [narrow, pruned(25), pruned(30, method=SNIP, width=3), pruned(35, method=SNIP)], pruner_claims.width_hurts
    )
    assert claim.agrees is False, "one of two methods is not most of them"
    assert judged([narrow, pruned(30)], pruner_claims.width_hurts) == [], "as good at both widths"
    assert judged([narrow], pruner_claims.width_hurts) == []


@pytest.mark.parametrize("claim_on", [pruner_claims.width_hurts, pruner_claims.width_costs_accuracy])
def test_few_networks_of_a_width_say_nothing_about_it(claim_on):
    rows = [pruned(30, width=3, order_seed=order) for order in range(30)]
    rows += [network(GMP(nonzeros=26), 0.9, nonzeros=40, order_seed=order) for order in range(30)]
    [claim] = judged(rows, claim_on)
    assert claim.agrees is True
    [claim] = judged(rows[1:], claim_on)
    assert claim.agrees is None
    assert claim.here.endswith("width and number of weights: 29, too few to tell it from luck.")


@pytest.mark.usefixtures("one_is_enough")
def test_wider_networks_may_need_more_nonzeros_and_yet_be_as_accurate():
    rows = [pruned(30, width=3), pruned(40), network(SNIP(nonzeros=26), 0.9), network(SNIP(nonzeros=26), 0.97, width=3)]
    rows += [network(GMP(nonzeros=60), 0.99)]  # weights that width 3 does not have
    [claim] = judged(rows, pruner_claims.width_costs_accuracy)
    assert "from width 3 to 16, at 26 weights, the best accuracy falls with SNIP, and does not with GMP." in claim.here
    assert claim.agrees is False, "one of two methods is not most of them"


@pytest.mark.usefixtures("one_is_enough")
def test_widths_that_cannot_have_as_many_weights_say_nothing_about_width():
    """A narrow network that fails with 20 weights is no evidence that wider ones, with 26, are better."""
    narrow = network(GMP(nonzeros=20), 0.5, width=3)
    rows = [narrow, pruned(30, width=6), pruned(35, width=8), pruned(40, width=16)]
    [claim] = judged(rows, pruner_claims.width_hurts)
    assert claim.agrees is True
    assert "from width 6 to 16" in claim.here


def test_pruning_after_training_judged_by_ten_networks():
    rows = [network(GMP(nonzeros=20 + count), 0.96, removable=2) for count in range(10)]
    [claim] = judged(rows, pruner_claims.pruning_removes_more)
    assert claim.agrees is True
    assert "of 10 pruned networks that reach 95 %, 100 % can lose weights" in claim.here
    [claim] = judged(rows[1:], pruner_claims.pruning_removes_more)
    assert claim.agrees is None
    [claim] = judged([network(FULL, 0.96, removable=1)], pruner_claims.pruning_removes_more)
    assert claim.agrees is True
    assert "phase 1 can be pruned further" in claim.paper


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 10}, "10 epochs (the paper's: 50)"),
        ({"noise": 0.1}, "noise 0.1 (the paper's: 0.0)"),
        ({"samples": 1000}, "samples 1000 (the paper's: 50000)"),
        ({"width": 4}, "a search within width 4 (the paper's: 16)"),
    ],
)
def test_networks_unlike_the_papers_get_no_verdict(changes, words):
    rows = [network(FULL, 0.96, **changes)]
    networks = prepare(runs(rows))
    assert list(networks.unlike.values()) == [[words]]
    [claim] = judged(rows, claims.winners_suffice)
    assert claim.agrees is None
    assert "1 of 1 trainings of it reach 95 %" in claim.here


def test_the_theorem_holds_in_the_simulation(monkeypatch):
    paths.probabilities.cache_clear()
    monkeypatch.setattr(paths, "SAMPLES", 2000)
    [claim] = pruner_claims.paths_vanish()
    assert claim.agrees is True
    broken = paths.probabilities().copy()
    broken.loc[broken["width"] == 256, "simulated"] = 0.5
    monkeypatch.setattr(paths, "probabilities", lambda: broken)
    [claim] = pruner_claims.paths_vanish()
    assert claim.agrees is False


@pytest.fixture(autouse=True, scope="module")
def _clean():
    yield
    paths.probabilities.cache_clear()
