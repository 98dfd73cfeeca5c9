"""What the published code keeps, worked out by its own expressions, in cells of its grids where a last bit decides."""

import pytest

from raydensity.pruning import published_counts
from raydensity.pruning.schedules import exponential


def test_force_loses_one_to_the_last_bit():
    """N exp(log(k / N)) is k or just below: then the code keeps k - 1, and its comparison one fewer."""
    final = {total: [published_counts.force(total, k, 10, 10) for k in range(15, 27)] for total in (27, 560)}
    assert final == {
        27: [15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26],
        560: [14, 16, 16, 18, 19, 20, 21, 22, 22, 24, 25, 25],
    }


def test_steps_are_cut_off_not_rounded():
    # 27 (15 / 27)^(step / 10) = 25.46, 24.01, 22.63, 21.34, 20.12, 18.97, 17.89, 16.87, 15.91, 15
    assert [published_counts.force(27, 15, step, 10) for step in range(1, 10)] == [25, 24, 22, 21, 20, 18, 17, 16, 15]
    assert [exponential(27, 15, step / 10) for step in range(1, 10)] == [25, 24, 23, 21, 20, 19, 18, 17, 16]
    # Lottery tickets, 65 weights, 33 asked: 65 (33 / 65)^(cycle / 4) = 54.87, 46.31, 39.09, 33
    assert [published_counts.lottery(65, 33, cycle, 4) for cycle in range(1, 4)] == [54, 46, 39]
    # SynFlow cuts what it removes: 27 (15 / 27)^(step / 100) = 26.84, 26.68, 26.53; it removes nothing in the first.
    assert [published_counts.synflow(27, 15, step, 100) for step in (1, 2, 3, 7, 100)] == [27, 27, 27, 26, 15]


@pytest.mark.parametrize(
    ("count", "differ"),
    [
        (published_counts.snip, {}),
        (published_counts.grasp, {}),
        (published_counts.prospr, {(560, 15): 1, (560, 16): 1, (560, 26): 1}),
    ],
)
def test_one_shot_methods_lose_or_gain_one_to_the_last_bit(count, differ):
    found = {(total, k): count(total, k) - k for total in (27, 560) for k in range(15, 27)}
    assert {cell: by for cell, by in found.items() if by} == differ
