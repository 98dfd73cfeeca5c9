import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from raydensity.measures.effective_density import Reading, effective_density

LEFT = [100, 80, 60, 40, 20, 0]
ACCURACY = [0.90, 0.91, 0.85, 0.84, 0.50, 0.10]
LOSS = [0.20, 0.19, 0.22, 0.30, 1.00, 2.30]


@pytest.mark.parametrize(
    ("reading", "score", "expected"),
    [
        (Reading(), ACCURACY, 0.6),  # the floor is 0.855
        (Reading(step="last_passing"), ACCURACY, 0.8),
        (Reading(relative=False), ACCURACY, 0.4),  # 0.85 is a drop of exactly five points: passes; 0.84 fails
        (Reading(relative=False, step="last_passing"), ACCURACY, 0.6),
        (Reading(tolerance=0.5), ACCURACY, 0.0),  # the floor is 0.45
        (Reading(tolerance=0.0), ACCURACY, 0.6),
        (Reading(score="loss"), LOSS, 0.6),  # 0.22 is the first above 0.21
        (Reading(score="loss", relative=False), LOSS, 0.4),  # 0.30 is the first above 0.25
        (Reading(score="loss", relative=False, step="last_passing"), LOSS, 0.6),
    ],
)
def test_literal_trajectories(reading, score, expected):
    assert effective_density(LEFT, score, reading) == pytest.approx(expected)


def test_a_network_that_never_fails_needs_no_weights():
    flat = [0.1] * 6
    assert effective_density(LEFT, flat) == 0
    assert effective_density(LEFT, flat, Reading(step="last_passing")) == 0


def test_recovery_after_the_first_failure_does_not_count():
    assert effective_density(LEFT, [0.9, 0.8, 0.9, 0.9, 0.9, 0.1]) == pytest.approx(0.8)


def test_five_points_pass_whatever_the_rounding():
    for hits in range(300, 5001):
        accuracy = np.float32([hits / 5000, (hits - 250) / 5000, (hits - 251) / 5000])
        assert effective_density([3, 2, 1], accuracy, Reading(relative=False)) == pytest.approx(1 / 3)


def test_a_score_that_is_not_finite_gives_nan_and_spares_the_others():
    scores = np.array([ACCURACY, [0.9, np.nan, 0.9, 0.9, 0.5, 0.1], [np.inf] * 6])
    np.testing.assert_array_equal(np.isnan(effective_density([LEFT] * 3, scores)), [False, True, True])


@pytest.mark.parametrize(
    "wrong", [{"tolerance": -0.1}, {"tolerance": float("nan")}, {"score": "f1"}, {"step": "middle"}]
)
def test_readings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Reading(**wrong)


@pytest.mark.parametrize(("left", "score"), [([1, 0], [0.9]), ([], []), (1, 0.9)])
def test_shapes_that_do_not_fit_are_refused(left, score):
    with pytest.raises(ValueError, match="shape"):
        effective_density(left, score)


scores = arrays(np.float64, (5, 11), elements=st.floats(0, 1, width=32))
tolerances = st.floats(0, 1)
kinds = st.sampled_from([{"score": s, "relative": r} for s in ("accuracy", "loss") for r in (False, True)])
left = np.tile(np.arange(1000, -1, -100), (5, 1))


@given(scores, tolerances, tolerances, kinds)
def test_more_tolerance_never_needs_more_weights(score, one, other, kind):
    small, large = sorted((one, other))
    strict = effective_density(left, score, Reading(tolerance=small, **kind))
    loose = effective_density(left, score, Reading(tolerance=large, **kind))
    assert (loose <= strict).all()
    assert ((loose >= 0) & (strict < 1)).all()


@given(scores, tolerances, kinds)
def test_the_first_failing_step_is_one_after_the_last_passing(score, tolerance, kind):
    failing = effective_density(left, score, Reading(tolerance=tolerance, **kind))
    passing = effective_density(left, score, Reading(tolerance=tolerance, step="last_passing", **kind))
    np.testing.assert_allclose((passing - failing)[failing > 0], 0.1)
    assert (passing >= failing).all()


@given(scores, tolerances, kinds)
def test_many_networks_at_once_equal_each_alone(score, tolerance, kind):
    reading = Reading(tolerance=tolerance, **kind)
    alone = [effective_density(one, values, reading) for one, values in zip(left, score, strict=True)]
    np.testing.assert_array_equal(effective_density(left, score, reading), alone)


@given(scores, st.floats(0.01, 0.5))
def test_the_drop_of_the_score_decides_not_its_level(score, tolerance):
    coarse = np.round(score, 2)
    reading = Reading(tolerance=tolerance + 0.003, relative=False)  # never on a threshold
    np.testing.assert_array_equal(
        effective_density(left, coarse, reading), effective_density(left, coarse + 1, reading)
    )
