"""Reading stored curves and spectra."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydensity.measures.summary import unit_numbers
from raydensity.measures.tolerances import redundant_units, threshold

SHARES = [part / 6 for part in range(7)]


@pytest.mark.parametrize(
    ("unchanged", "tolerance", "expected"),
    [
        ([1, 1, 1, 1, 1, 1, 1], 0.2, 1.0),
        ([1, 1, 1, 1, 1, 1, 0.8], 0.2, 1.0),  # on the threshold is not below it
        ([1, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1], 0.2, 0.25),
        ([1, 0.6, 0.9, 0.5, 0.3, 0.2, 0.1], 0.2, 1 / 12),  # the first crossing counts
        ([1, 0, 0, 0, 0, 0, 0], 0.2, 0.2 / 6),
        ([1, 0.8, 0.6, 0.4, 0.2, 0.1, 0], 0.2, 1 / 6),
        ([1, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1], 0.5, 0.5),
        ([1, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1], 0, 0.0),
    ],
)
def test_threshold_literals(unchanged, tolerance, expected):
    assert threshold(SHARES, unchanged, tolerance) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0.01, 0.99))
def test_threshold_of_a_straight_line_is_the_tolerance(tolerance):
    assert threshold(SHARES, [1 - share for share in SHARES], tolerance) == pytest.approx(tolerance)


@pytest.mark.parametrize(
    ("eigenvalues", "tolerance", "expected"),
    [
        ([0, 0, 0, 4], 0.05, 4),  # three explain nothing, and the one that exceeds the tolerance counts
        ([0, 1, 1, 2], 0.05, 2),
        ([1, 1, 1, 1], 0.05, 1),
        ([1] * 20, 0.05, 2),  # the first is just 5 %
        ([1, 1, 1, 97], 0.03, 4),
        ([1, 1, 1, 97], 0.02, 3),
        ([97, 1, 1, 1], 0.02, 3),
        ([0, 0, 0], 0.05, 3),
        ([-1e-18, 5, 5], 0.05, 2),
        ([1, 2], 1, 2),
    ],
)
def test_redundant_units_literals(eigenvalues, tolerance, expected):
    assert redundant_units(eigenvalues, tolerance) == expected


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_redundant_units_explain_more_than_the_tolerance_only_with_the_last(eigenvalues, tolerance):
    count = redundant_units(eigenvalues, tolerance)
    smallest = np.sort(eigenvalues)[:count]
    assert 1 <= count <= len(eigenvalues)
    assert smallest[:-1].sum() <= tolerance * sum(eigenvalues) * (1 + 1e-9)


@pytest.mark.parametrize("tolerance", [-0.1, 1.1, float("nan")])
def test_bad_tolerances_are_one_clear_line(tolerance):
    with pytest.raises(ValueError, match="tolerance is"):
        threshold([0, 1], [1, 0], tolerance)
    with pytest.raises(ValueError, match="tolerance is"):
        redundant_units([1], tolerance)


def test_bad_curves_and_spectra_are_one_clear_line():
    with pytest.raises(ValueError, match=r"removed \(2,\) and unchanged \(3,\)"):
        threshold([0, 1], [1, 0.5, 0])
    with pytest.raises(ValueError, match="step > 1"):
        threshold([0], [1])
    with pytest.raises(ValueError, match="one at least"):
        redundant_units([])


def test_a_row_is_shown_by_its_best_repeat_and_its_mean_spectrum():
    curve = {"removed": [0.0, 1.0], "by_position": False}
    row = {
        "prunability": [
            {**curve, "layer": "all", "unchanged": [1.0, 0.5]},
            {**curve, "layer": "all", "unchanged": [1.0, 0.6]},
            {**curve, "layer": "fc1", "unchanged": [1.0, 1.0]},
            {**curve, "layer": "fc1", "unchanged": [1.0, 0.0], "by_position": True},
        ],
        "redundancy": [
            {"layer": "fc1", "eigenvalues": [0, 1, 1, 2]},
            {"layer": "fc1", "eigenvalues": [0, 0, 1, 2]},
            {"layer": "fc2", "eigenvalues": [1, 1]},
        ],
        "correlation": [{"layer": "fc1", "mean": 0.25}, {"layer": "fc2", "mean": None}],
    }
    expected = {
        "prunability/all": 0.5, "prunability/fc1": 1.0, "prunability_by_position/fc1": 0.2,
        "redundancy/fc1": 0.625, "redundancy/fc2": 0.5, "redundancy/all": 0.5625, "correlation/fc1": 0.25,
    }  # fmt: skip
    assert unit_numbers(row) == pytest.approx(expected)
    assert unit_numbers({"prunability": None, "redundancy": None, "correlation": None}) == {}


def test_reading_needs_no_torch():
    code = "import sys; import raydensity.measures.summary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
