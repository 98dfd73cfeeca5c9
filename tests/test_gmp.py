"""Gradual magnitude pruning: how many weights are left at which step, and which."""

import pytest
import torch
from sparse_networks import SMALL, on_spiral

from raydensity import data, training
from raydensity.cohort import Cohort
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning.gmp import GradualMagnitude
from raydensity.spec.sparsity import GMP

CPU = torch.device("cpu")


def gmp_of(counts, *, steps, events, published=False, **fields):
    """The method on networks of 2-4-1 units, 12 weights."""
    specs = [
        on_spiral(GMP(nonzeros=count, events=events, published=published), hidden=(4,), init_seed=seed, **fields)
        for seed, count in enumerate(counts)
    ]
    cohort = Cohort(specs, input_shape=(2,), classes=1)
    return GradualMagnitude(specs, StackedOptimizer(cohort, specs), steps=steps)


def left(method):
    """Weights that are kept, of each network."""
    return sum(method.cohort.weights(n, method.cohort.masks[n]).flatten(1).sum(1) for n in method.cohort.prunable())


def all_counts(method):
    """What is left after each event, by step."""
    found = {}
    for step in range(1, method.steps + 1):
        if method.is_event(step):
            method.act(step)
            found[step] = left(method).tolist()
    return found


def test_counts_follow_the_cubic_schedule():
    # 3 + 9 times 27/64, 8/64, 1/64, 0: 6.8, 4.1, 3.1, 3; and 8 + 4 times those: 9.7, 8.5, 8.1, 8.
    assert all_counts(gmp_of([3, 8], steps=50, events=5)) == {
        10: [7, 10],
        20: [4, 8],
        30: [3, 8],
        40: [3, 8],
        50: [3, 8],
    }


def test_the_paper_prunes_every_97_steps_and_has_one_event_more():
    method = gmp_of([3], steps=19_500, events=200)
    events = [step for step in range(1, 19_501) if method.is_event(step)]
    assert events[:2] == [97, 194]
    assert events[-1] == 201 * 97
    counts = all_counts(method)
    assert counts[97 * 199] == counts[97 * 201] == [3]
    assert counts[97 * 20] == [10]  # 3 + 9 (179/199)^3 = 9.55


def test_as_published_numbers_are_cut_the_comparison_is_strict_and_the_schedule_overshoots():
    # Cut to 6, 4, 3, 3 and at last, 5/4 of the schedule, to 2; one fewer each.
    assert all_counts(gmp_of([3], steps=50, events=5, published=True)) == {10: [5], 20: [3], 30: [2], 40: [2], 50: [1]}
    counts = all_counts(gmp_of([5], steps=19_500, events=200, published=True))
    assert counts[97 * 199] == [4]
    assert counts[97 * 200] == counts[97 * 201] == [3]


@pytest.mark.parametrize("steps", [1, 2, 3, 17, 199, 200, 201, 399])
def test_trainings_of_any_length_end_with_what_was_asked(steps):
    method = gmp_of([3, 8], steps=steps, events=200)
    *_, last = all_counts(method).values()
    assert last == [3, 8]
    before_the_last_step = [step for step in range(1, steps) if method.is_event(step)]
    assert steps == 1 or before_the_last_step, "nothing is left to repair what was pruned"


def test_the_smallest_weights_go_with_their_momentum_and_do_not_come_back():
    method = gmp_of([3], steps=50, events=5)
    cohort = method.cohort
    values = {
        "fc1.weight": [[0.9, -0.1], [0.2, 0.8], [-0.7, 0.3], [0.4, 0.05]],
        "proj.weight": [[0.6, -0.5, 0.01, 0.02]],
    }
    cohort.load(0, {name: torch.tensor(value) for name, value in values.items()})
    for stacked in method.optimizer.slots["momentum"].values():
        stacked.fill_(1.0)
    method.act(10)  # 7 are left
    assert cohort.mask(0)["fc1.weight"].int().tolist() == [[1, 0], [0, 1], [1, 1], [1, 0]]
    assert cohort.mask(0)["proj.weight"].int().tolist() == [[1, 1, 0, 0]]
    assert cohort.mask(0)["fc1.bias"].int().tolist() == [1, 1, 0, 0]
    state, speeds = cohort.state(0), method.optimizer.state(0)
    for name, mask in cohort.mask(0).items():
        assert speeds[f"momentum/{name}"].tolist() == mask.float().tolist()
        assert state[name][~mask].eq(0).all()
    gone = cohort.mask(0)["proj.weight"].logical_not()
    cohort.weights("proj.weight")[0][gone] = 5.0  # as if something had changed them
    method.act(20)
    assert cohort.mask(0)["proj.weight"][gone].logical_not().all()
    assert cohort.mask(0)["fc1.weight"].int().tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]


def test_a_kept_weight_of_zero_stays_before_one_that_is_gone():
    method = gmp_of([3], steps=50, events=5)
    method.act(10)
    for name in method.cohort.prunable():
        method.cohort.weights(name).zero_()
    before = method.cohort.mask(0)
    method.act(20)
    after = method.cohort.mask(0)
    assert left(method).tolist() == [4]
    assert not any((after[name] & ~before[name]).any() for name in method.cohort.prunable())


def test_training_prunes_at_the_events(monkeypatch):
    seen = []
    act = GradualMagnitude.act

    def spy(self, step):
        act(self, step)
        seen.append((step, left(self).tolist()))

    monkeypatch.setattr(GradualMagnitude, "act", spy)
    specs = [on_spiral(GMP(nonzeros=count, events=5), hidden=(2, 2, 2), init_seed=count) for count in (3, 8)]
    networks = training.train(specs, data.load(SMALL), device=CPU)  # 24 steps an epoch, 2 epochs
    assert seen == [(9, [8, 11]), (18, [4, 9]), (27, [3, 8]), (36, [3, 8]), (45, [3, 8])]  # of 14
    for one, count in zip(networks, (3, 8), strict=True):
        assert sum(int(mask.sum()) for name, mask in one.masks.items() if name.endswith("weight")) == count
        assert all(one.kept[name][~mask].eq(0).all() for name, mask in one.masks.items())
