"""The smallest network without loss, and with a tolerance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity.measures.loss_of_compression import best, smallest_without_loss


def network(parameters: int, score: float, task: str = "classification", status: str = "finished") -> dict:
    accuracy, loss = (score, 1.0) if task == "classification" else (None, score)
    return {
        **{"task": task, "status": status, "parameters_after": parameters},
        **{"validation_accuracy": accuracy, "validation_loss": loss},
    }


BEFORE = network(100, 0.91)
ROWS = [network(70, 0.91), network(60, 0.90), network(50, 0.8999), network(5, 0.99, status="diverged")]


@pytest.mark.parametrize(("tolerance", "parameters"), [(0, 70), (0.99, 70), (1, 60), (1.1, 50)])
def test_points_of_accuracy(tolerance: float, parameters: int) -> None:
    found = smallest_without_loss(ROWS, BEFORE, tolerance=tolerance)
    assert found is not None
    assert found["parameters_after"] == parameters


@pytest.mark.parametrize(("tolerance", "parameters"), [(0, 70), (1, 60), (2, 60), (10, 50)])
def test_percent_of_the_squared_error(tolerance: float, parameters: int) -> None:
    rows = [network(parameters, error, "regression") for parameters, error in ((70, 0.2), (60, 0.202), (50, 0.22))]
    found = smallest_without_loss(rows, network(100, 0.2, "regression"), tolerance=tolerance)
    assert found is not None
    assert found["parameters_after"] == parameters


def test_without_a_tolerance_the_least_loss_is_one() -> None:
    assert smallest_without_loss([network(70, 0.91 - 1e-12)], BEFORE) is None
    assert best([]) is None


scores = st.lists(st.tuples(st.integers(1, 99), st.floats(0, 1)), max_size=6)


@settings(deadline=None)
@given(scores, st.floats(0, 1), st.floats(0, 20), st.floats(0, 20))
def test_with_more_tolerance_networks_get_no_larger(rows, before: float, one: float, other: float) -> None:
    networks = [network(*row) for row in rows]
    less, more = (
        smallest_without_loss(networks, network(100, before), tolerance=tolerance) for tolerance in sorted((one, other))
    )
    if less is not None:
        assert more is not None
        assert more["parameters_after"] <= less["parameters_after"]
        assert more["validation_accuracy"] >= before - max(one, other) / 100 - 1e-9
