import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import network

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.evaluation import evaluate
from raydensity.pruning import magnitude, selection
from raydensity.pruning.magnitude import global_trajectory, trajectory
from raydensity.pruning.selection import keep_largest, ranks, share


def test_ranks_literal_with_ties():
    scores = torch.tensor([[3.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert ranks(scores).tolist() == [[3, 0, 2, 1], [0, 1, 2, 3]]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_exactly_k_are_selected_and_they_are_the_smallest(values, draw):
    scores = torch.tensor([values], dtype=torch.float32)
    k = draw.draw(st.integers(0, len(values)))
    chosen = (ranks(scores) < k)[0]
    assert chosen.sum() == k
    if 0 < k < len(values):
        assert scores[0][chosen].max() <= scores[0][~chosen].min()


def test_share_rounds_to_nearest():
    assert [share(0.02 * step, 100) for step in range(51)] == list(range(0, 101, 2))
    assert share(0.5, 3) == 2
    assert share(0.02, 10) == 0
    assert share(1.0, 7) == 7


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.mark.parametrize("architecture", ["mlp", "conv2", "resnet", "alexnet", "resnet56"])
def test_trajectory_equals_pruning_by_hand(digits, architecture):
    specs = [network(architecture, init_seed=seed) for seed in range(2)]
    shape = {"input_shape": (1, 8, 8), "classes": 10}
    cohort = Cohort(specs, **shape)
    before = [cohort.state(index) for index in range(2)]
    validation = data.split(digits, 0)[1].expand(2, -1)
    path = trajectory(cohort, digits, validation, "unit", step=0.25)
    assert path.removed == [[0, 0.25, 0.5, 0.75, 1.0]] * 2
    assert [len(curve) for curve in (*path.accuracy, *path.loss)] == [5] * 4
    assert all(torch.equal(cohort.state(1)[name], before[1][name]) for name in before[1])
    counts = {name: before[0][name].numel() for name in cohort.prunable()}
    for point, fraction in enumerate(path.removed[1]):
        pruned = dict(before[1])
        for name, total in counts.items():
            k = int(fraction * total + 0.5)
            smallest = pruned[name].abs().flatten().sort(stable=True).indices[:k]
            pruned[name] = pruned[name].flatten().index_fill(0, smallest, 0.0).view_as(pruned[name])
        by_hand = Cohort(specs, **shape)
        by_hand.load(1, pruned)
        expected = evaluate(by_hand, digits, validation, "unit")
        assert path.accuracy[1][point] == expected.accuracy[1]
        assert path.loss[1][point] == expected.loss[1]
        assert path.weights_left[1][point] == sum(total - int(fraction * total + 0.5) for total in counts.values())
    assert path.weights_left[1][0] == sum(counts.values())
    assert path.weights_left[1][-1] == 0


@pytest.mark.parametrize("architecture", ["mlp", "conv2-unshared"])
def test_networks_are_ranked_one_by_one(monkeypatch, digits, architecture):
    cohort = Cohort([network(architecture, init_seed=seed) for seed in range(3)], input_shape=(1, 8, 8), classes=10)
    seen = []
    monkeypatch.setattr(magnitude, "ranks", lambda scores: seen.append(scores.shape) or ranks(scores))
    validation = data.split(digits, 0)[1].expand(3, -1)
    trajectory(cohort, digits, validation, "unit", step=0.5)
    sizes = [cohort.weights(name)[0].numel() for name in cohort.prunable()]
    assert seen == [(size,) for size in sizes for _ in range(3)]
    seen.clear()
    global_trajectory(cohort, digits, validation, "unit", points=1)
    assert seen == [(sum(sizes),)] * 3


@pytest.mark.parametrize("numbers", [1, 20, 1000])
@given(st.lists(st.integers(-1, 3), min_size=28, max_size=28), st.data())
def test_the_largest_are_those_of_a_stable_sort_however_many_are_selected_at_a_time(numbers, values, draw):
    scores = torch.tensor(values, dtype=torch.float32).view(4, 7)
    counts = draw.draw(st.lists(st.integers(0, 7), min_size=4, max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SELECTED_NUMBERS", numbers)
        found = keep_largest({"one": scores[:, :4].view(4, 2, 2), "two": scores[:, 4:]}, counts)
    expected = torch.zeros(4, 7, dtype=torch.bool)
    for own, row, count in zip(expected, scores, counts, strict=True):
        own[row.sort(descending=True, stable=True).indices[:count]] = True
    assert torch.equal(torch.cat([mask.flatten(1) for mask in found.values()], dim=1), expected)


def test_what_is_not_a_number_is_kept_and_counts_as_one():
    scores = torch.tensor([[1.0, math.nan, 3.0, math.inf, math.nan]])
    kept = [keep_largest({"one": scores}, [count])["one"][0].tolist() for count in (2, 4)]
    assert kept == [[False, True, False, True, False], [False, True, True, True, True]]


def test_two_percent_steps_make_51_points(digits):
    cohort = Cohort([network()], input_shape=(1, 8, 8), classes=10)
    path = trajectory(cohort, digits, data.split(digits, 0)[1][None], "unit", step=0.02)
    assert len(path.removed[0]) == 51
    assert path.removed[0][-1] == 1.0
    assert path.accuracy[0][-1] < 0.2  # nothing but biases is left
    uneven = trajectory(cohort, digits, data.split(digits, 0)[1][None], "unit", step=0.3)
    assert uneven.removed[0] == pytest.approx([0, 0.3, 0.6, 0.9, 1.0])
