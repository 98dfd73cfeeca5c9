"""The verdicts on what is known of the paper's claims."""

import pytest
from synthetic_sparse import network
from test_analysis_sparsest import FULL, HOLED, SMALLER, runs

from analysis.sparsest import claims, coverage, paths
from analysis.sparsest.networks import prepare
from analysis.sparsest.tables import tables
from raydensity.pruning import search
from raydensity.spec.sparsity import GMP, SNIP, Explicit


def judged(rows, says):
    networks = prepare(runs(rows))
    return claims.judged(networks, tables(networks), [says])


def structures(accuracy, **changes):
    """Every structure with fewer nonzeros than 3x2x2, as accurate as that."""
    smaller = [dims for dims in search.structures(16, 3) if search.nonzeros(search.structured(dims)) < 26]
    return [network(Explicit(rows=search.structured(dims)), accuracy, **changes) for dims in smaller]


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
    assert len(structures(0.8)) == 34
    [claim] = judged([*structures(0.8), network(FULL, 0.96)], claims.smallest_structure)
    assert claim.agrees is True
    assert "none of 34 tried (there are 34); the best has 80.00 %" in claim.here
    [claim] = judged([*structures(0.8)[1:], network(FULL, 0.96)], claims.smallest_structure)
    assert claim.agrees is None
    [claim] = judged([*structures(0.8)[1:], network(SMALLER, 0.96, order_seed=1)], claims.smallest_structure)
    assert claim.agrees is False
    assert "2x2x2 with 21 nonzeros does (96.00 %)" in claim.here


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
    for nonzeros, verdict in ((27, True), (26, False), (25, False)):
        [claim] = judged([network(FULL, 0.96), pruned(nonzeros), LOST], claims.search_beats_pruners)
        assert claim.agrees is verdict
        assert claim.here == f"From BENCH-95: the search 26; GMP {nonzeros}; 1 more does not reach it."
    [claim] = judged([network(FULL, 0.96), LOST, network(GMP(nonzeros=26), 0.9)], claims.search_beats_pruners)
    assert claim.agrees is True
    assert claim.here == "From BENCH-95: the search 26; none of the pruners reaches it."
    assert judged([network(FULL, 0.96)], claims.search_beats_pruners) == []
    assert judged([pruned(27)], claims.search_beats_pruners) == []


@pytest.mark.parametrize(("nonzeros", "missing"), [(27, "PRUNED"), (25, "SEARCHED")])
@pytest.mark.usefixtures("as_many_as_published")
def test_who_loses_with_fewer_networks_than_in_the_paper_has_not_lost(monkeypatch, nonzeros, missing):
    monkeypatch.setitem(getattr(coverage, missing), "BENCH-95", 9_720)
    [claim] = judged([network(FULL, 0.96), pruned(nonzeros), LOST], claims.search_beats_pruners)
    assert claim.agrees is None
    assert f"{missing.capitalize()}: " in claim.here
    assert "in the paper 9,720." in claim.here


@pytest.mark.usefixtures("as_many_as_published")
def test_repeated_networks_do_not_make_a_search_larger(monkeypatch):
    monkeypatch.setitem(coverage.SEARCHED, "BENCH-95", 3)
    rows = [network(FULL, 0.96, order_seed=order) for order in range(3)]
    [claim] = judged([*rows, pruned(25)], claims.search_beats_pruners)
    assert claim.agrees is None


def test_few_nonzeros_of_random_weights():
    small = network(FULL, 0.96, start="random", nonzeros=30)
    reached, missing = judged([small], claims.few_nonzeros)
    assert (reached.agrees, missing.agrees) == (True, None)
    assert judged([network(FULL, 0.96)], claims.few_nonzeros) == []


def test_pruners_that_disconnect_units():
    apart = {"disconnected_units": [1, 0, 0]}
    together = {"disconnected_units": [0, 0, 0]}
    [claim] = judged([network(GMP(nonzeros=20), 0.9, **apart)], claims.pruners_disconnect)
    assert claim.agrees is True
    assert "at width 16: GMP 100 %" in claim.here
    rows = [network(GMP(nonzeros=20), 0.9, **apart), network(SNIP(nonzeros=20), 0.9, **together)]
    [claim] = judged(rows, claims.pruners_disconnect)
    assert claim.agrees is False, "one of two methods is not most of them"


def test_a_wider_start_hurts():
    narrow = pruned(30, width=3)
    [claim] = judged([narrow, pruned(40)], claims.width_hurts)
    assert claim.agrees is True
    assert claim.here == "From BENCH-95: from width 3 to 16, 95 % takes more nonzeros with GMP, and fewer with none."
    [claim] = judged([narrow, network(GMP(nonzeros=26), 0.9)], claims.width_hurts)
    assert claim.agrees is True, "what is not reached at all is worse"
    [claim] = judged(
        [narrow, pruned(25), pruned(30, method=SNIP, width=3), pruned(35, method=SNIP)], claims.width_hurts
    )
    assert claim.agrees is False, "one of two methods is not most of them"
    assert judged([narrow, pruned(30)], claims.width_hurts) == [], "as good at both widths"
    assert judged([narrow], claims.width_hurts) == []


def test_widths_that_cannot_have_as_many_weights_say_nothing_about_width():
    """A narrow network that fails with 20 weights is no evidence that wider ones, with 26, are better."""
    narrow = network(GMP(nonzeros=20), 0.5, width=3)
    rows = [narrow, pruned(30, width=6), pruned(35, width=8), pruned(40, width=16)]
    [claim] = judged(rows, claims.width_hurts)
    assert claim.agrees is True
    assert "from width 6 to 16" in claim.here


def test_pruning_after_training_judged_by_ten_networks():
    rows = [network(GMP(nonzeros=20 + count), 0.96, removable=2) for count in range(10)]
    [claim] = judged(rows, claims.pruning_removes_more)
    assert claim.agrees is True
    assert "of 10 pruned networks that reach 95 %, 100 % can lose weights" in claim.here
    [claim] = judged(rows[1:], claims.pruning_removes_more)
    assert claim.agrees is None
    [claim] = judged([network(FULL, 0.96, removable=1)], claims.pruning_removes_more)
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
    [claim] = claims.paths_vanish()
    assert claim.agrees is True
    broken = paths.probabilities().copy()
    broken.loc[broken["width"] == 256, "simulated"] = 0.5
    monkeypatch.setattr(paths, "probabilities", lambda: broken)
    [claim] = claims.paths_vanish()
    assert claim.agrees is False


@pytest.fixture(autouse=True, scope="module")
def _clean():
    yield
    paths.probabilities.cache_clear()
