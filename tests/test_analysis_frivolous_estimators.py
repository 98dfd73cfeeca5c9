"""Prunability, redundancy and gain against values known in closed form."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_frivolous import REMOVED, curve, spectrum

from analysis.frivolous import published
from analysis.frivolous.gain import MEASURES, WIDTHS, gain, gain_of_families
from analysis.frivolous.panels import PANELS
from analysis.frivolous.untrained import prunable_share, redundant_share
from raydensity.measures.tolerances import redundant_units, threshold


@pytest.mark.parametrize(
    ("unchanged", "tolerance", "share"),
    [
        ([1.0, 0.9, 0.1], 0.2, 0.5625),
        ([1.0, 0.6, 0.1], 0.2, 0.25),
        ([1.0, 0.8, 0.0], 0.2, 0.5),  # exactly the tolerance still passes
        ([1.0, 0.7, 0.9, 0.3], 0.2, 2 / 9),  # the first crossing of two
        ([1.0, 0.9, 0.85], 0.2, 1.0),
        ([1.0, 0.9, 0.1], 0.5, 0.75),
        ([1.0, 0.9, 0.1], 0.0, 0.0),
    ],
)
def test_prunable_share_by_hand(unchanged, tolerance, share):
    assert threshold(np.linspace(0, 1, len(unchanged)), unchanged, tolerance) == pytest.approx(share)


@given(st.floats(0.001, 0.999))
def test_made_curves_have_their_share(share):
    assert threshold(REMOVED, curve(share)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("eigenvalues", "tolerance", "units"),
    [
        ([1, 1, 1, 1], 0.05, 1),  # the one that crosses counts
        ([1] * 20, 0.05, 2),  # exactly 0.05 is within
        ([1, 1, 1, 47, 50], 0.05, 4),
        ([1, 1, 1, 47, 50], 0.02, 3),
        ([50, 1, 47, 1, 1], 0.02, 3),
        ([0, 0, 5, 5], 0.05, 3),  # rank 2 of 4
        ([-1e-17, 0, 5, 5], 0.05, 3),
        ([0, 0, 0], 0.05, 3),
        ([1, 9], 1.0, 2),
    ],
)
def test_redundant_units_by_hand(eigenvalues, tolerance, units):
    assert redundant_units(eigenvalues, tolerance) == units


@given(st.integers(2, 60), st.data())
def test_redundant_units_of_known_rank(units, data):
    """Equal variance in so many dimensions: 0.05 of them, and one more for the units that are left over and the one
    that crosses.
    """
    rank = data.draw(st.integers(1, units))
    expected = min(units - rank + int(0.05 * rank + 1e-9) + 1, units)
    assert redundant_units([0.0] * (units - rank) + [3.0] * rank) == expected


@given(st.integers(25, 400))
def test_made_spectra_have_their_share(count):
    assert redundant_units(spectrum(count / 400)) == count


@given(st.floats(-1, 3), st.floats(1e-3, 10), st.sampled_from(MEASURES))
def test_the_gain_of_a_power_law_is_its_growth(exponent, scale, measure):
    g, ratios, *_ = gain({width: scale * width**exponent for width in WIDTHS}, measure)
    assert g == pytest.approx(2**exponent)
    assert ratios == (4 if "prunability" in measure else 3)


@pytest.mark.parametrize(
    ("values", "prunability", "redundancy"),
    [
        ({0.25: 1, 0.5: 5, 1: 10, 2: 20, 4: 80}, (3.25, 4), (8 / 3, 3)),  # redundancy leaves the first ratio out
        ({0.25: 1, 0.5: 3}, (3, 1), (np.nan, 0)),
        ({0.25: 1, 1: 3, 4: 9}, (np.nan, 0), (np.nan, 0)),  # no two are consecutive
        ({0.5: 0, 1: 2, 2: 6, 4: np.nan}, (3, 1), (3, 1)),
        ({0.1: 1, 0.2: 7}, (np.nan, 0), (np.nan, 0)),  # not the paper's widths
        ({}, (np.nan, 0), (np.nan, 0)),
    ],
)
def test_gains_by_hand(values, prunability, redundancy):
    assert gain(values, "prunability")[:2] == pytest.approx(prunability, nan_ok=True)
    assert gain(values, "redundancy")[:2] == pytest.approx(redundancy, nan_ok=True)
    assert gain(values, "non_prunability")[:2] == pytest.approx(prunability, nan_ok=True)
    assert gain(values, "non_redundancy")[:2] == pytest.approx(redundancy, nan_ok=True)


def test_independent_units_are_prunable_up_to_the_angle_that_changes_a_fifth_of_the_answers():
    """The sign of a sum of n normal numbers is that of k of them but for arccos(sqrt(k / n)) / pi of the draws."""
    rng = np.random.default_rng(0)
    hidden, out = rng.standard_normal((2000, 3000)), rng.standard_normal(3000)
    # Between points of the grid the curve is read as straight.
    grid = np.linspace(0, 1, 7)
    expected = threshold(grid, 1 - np.arccos(np.sqrt(1 - grid)) / np.pi)
    assert prunable_share(hidden, out, rng) == pytest.approx(expected, abs=0.04)
    assert redundant_share(hidden[:, :2] @ rng.standard_normal((2, 40))) == pytest.approx(39 / 40, abs=1 / 40)


def test_published_gains_follow_from_the_published_curves():
    """Two sources of one number: what the notebooks print, and what was digitised, to 3 to 5 % a point."""
    checked = 0
    for panel in PANELS:
        for line in panel.curves:
            own = published.CURVE_GAINS.get((panel.name, line.name))
            if own and panel.name != "conv2" and line.published:
                values = dict(zip(WIDTHS, published.PRUNABILITY[line.published], strict=False))
                assert gain(values, "prunability").g == pytest.approx(own, rel=0.03), (panel.name, line.name)
                checked += 1
    assert checked == 7


def test_published_ranges_of_units_that_are_not_prunable_take_all_four_ratios():
    """With three ratios, as for redundancy, Figure 3a would begin at 1.64 and Figure 4d span 1.33 to 2.14."""
    for panel in PANELS:
        for line in panel.curves:
            known = published.GAINS.get(panel.name, {}).get("non_prunability")
            if known and line.published in published.PRUNABILITY:
                left = {
                    width: width / 4 - value
                    for width, value in zip(WIDTHS, published.PRUNABILITY[line.published], strict=False)
                }
                assert known[0] - 0.04 <= gain(left, "non_prunability").g <= known[1] + 0.04, line.published


def test_published_values_belong_to_panels_that_there_are():
    names = {panel.name: {line.name for line in panel.curves} for panel in PANELS}
    assert set(published.GAINS) <= set(names)
    assert all(curve in names[panel] for panel, curve in published.CURVE_GAINS)
    shown = {line.published for panel in PANELS for line in panel.curves}
    for table in (published.PRUNABILITY, published.REDUNDANCY, published.ACCURACY, published.ABLATION):
        assert set(table) <= shown
    for panel, ranges in published.GAINS.items():
        assert all(low < high for low, high in ranges.values()), panel
    curves = published.curves()
    assert not curves.duplicated(["published", "width"]).any()
    assert len(curves) == sum(3 if name == "inception_v3" else 5 for name in set(curves["published"]))


def test_the_error_of_a_gain_is_that_of_its_values():
    """To first order: against many curves drawn around the values."""
    source = np.random.default_rng(0)
    values = np.array([0.05, 0.1, 0.22, 0.4, 0.9])
    errors = np.array([0.002, 0.003, 0.006, 0.01, 0.02])
    for measure in ("prunability", "redundancy"):
        drawn = values + errors * source.standard_normal((4000, 5))
        gains = [gain(dict(zip(WIDTHS, each, strict=True)), measure).g for each in drawn]
        found = gain(*(dict(zip(WIDTHS, values, strict=True)), measure), dict(zip(WIDTHS, errors, strict=True)))
        assert found.error == pytest.approx(np.std(gains), rel=0.05)
    assert np.isnan(gain(dict(zip(WIDTHS, values, strict=True)), "prunability").error)
    # One value alone has an error, the others none: to first order that of its ratio over the four.
    one = gain(dict(zip(WIDTHS, values, strict=True)), "prunability", dict.fromkeys(WIDTHS, 0.0) | {4.0: 0.04}).error
    assert one == pytest.approx(0.04 / 0.4 / 4)


def test_what_is_not_known_is_no_small_error():
    """An error of which a part is missing would make a gain look certain."""
    values = dict(zip(WIDTHS, [0.05, 0.1, 0.22, 0.4, 0.9], strict=True))
    errors, counts = dict.fromkeys(WIDTHS, 0.01), dict.fromkeys(WIDTHS, 3)
    assert gain(values, "prunability", errors, counts).half_width > 0
    for width in WIDTHS[1:]:
        for lacking in (errors | {width: np.nan}, {w: e for w, e in errors.items() if w != width}):
            assert np.isnan(gain(values, "redundancy", lacking, counts)[2:]).all()
    assert gain(values, "redundancy", errors | {0.25: np.nan}, counts).error > 0  # which is in none of its ratios
    assert np.isnan(gain(values, "prunability", errors, counts | {1.0: 1}).half_width)


@pytest.mark.parametrize("networks", [2, 3, 10])
def test_intervals_of_a_gain_hold_it_as_often_as_they_say(networks):
    """Against many samples of a curve that doubles; two standard errors would hold it 79 % of the time with two."""
    source, inside, total = np.random.default_rng(networks), 0, 1500
    for _ in range(total):
        drawn = np.array(WIDTHS) * (1 + 0.05 * source.standard_normal((networks, len(WIDTHS))))
        means, errors = drawn.mean(0), drawn.std(0, ddof=1) / np.sqrt(networks)
        found = gain(
            dict(zip(WIDTHS, means, strict=True)),
            "prunability",
            dict(zip(WIDTHS, errors, strict=True)),
            dict.fromkeys(WIDTHS, networks),
        )
        inside += abs(found.g - 2) <= found.half_width
    assert inside / total == pytest.approx(0.95, abs=0.025)


def test_an_interval_by_hand():
    """Two widths, three and five networks, variances 9 and 16: 25^2 / (9^2 / 2 + 16^2 / 4) = 5.98 degrees of freedom,
    of which 2.449 errors to either side are 95 %."""
    values, counts = {2.0: 1.0, 4.0: 1.0}, {2.0: 3, 4.0: 5}
    found = gain(values, "prunability", {2.0: 3.0, 4.0: 4.0}, counts)
    assert (found.g, found.ratios, found.error) == (1, 1, 5)
    assert found.half_width == pytest.approx(5 * 2.449, rel=1e-3)


def test_what_networks_of_a_family_have_in_common_is_in_no_error():
    """Families that are multiples of one curve have one gain; as if independent, it would have an error."""
    curve = np.array([1.0, 2.5, 4.0, 9.0, 20.0])
    families = pd.DataFrame(np.outer([1.0, 1.5, 3.0], curve), columns=list(WIDTHS))
    found = gain_of_families(families, "prunability")
    means, errors = families.mean().to_dict(), families.sem().to_dict()
    apart = gain(means, "prunability", errors, dict.fromkeys(WIDTHS, 3))
    assert found.g == apart.g == pytest.approx(np.mean(curve[1:] / curve[:-1]))
    assert found.error == pytest.approx(0, abs=1e-12)
    assert apart.error > 0.2


@given(st.integers(0, 2**32 - 1))
def test_the_error_of_independent_networks_is_the_same_either_way(seed):
    """But for what they have in common by chance, which a thousand have not."""
    noise = np.random.default_rng(seed).normal(1, 0.05, size=(1000, len(WIDTHS)))
    families = pd.DataFrame(noise * np.array([1, 2, 4, 8, 16]), columns=list(WIDTHS))
    apart = gain(families.mean().to_dict(), "redundancy", families.sem().to_dict(), dict.fromkeys(WIDTHS, 1000))
    assert gain_of_families(families, "redundancy").error == pytest.approx(apart.error, rel=0.15)
