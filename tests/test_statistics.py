import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.statistics import (
    anova,
    half_width,
    holm,
    mean_pairwise_distance,
    null_density,
    overlapping_share,
    paired_t_test,
    unpaired_t_test,
    welch_half_width,
)

FACTORS = ["width", "initializer", "init_seed", "data_seed"]
INTERACTION = ("width", "initializer")


def crossed(widths=(0.1, 0.5, 1), initializers=("glorot", "he"), init_seeds=3, data_seeds=2, seed=0):
    rows = [(w, i, s, d) for w in widths for i in initializers for s in range(init_seeds) for d in range(data_seeds)]
    frame = pd.DataFrame(rows, columns=FACTORS)
    frame["size"] = 1e6 * frame["width"] + 1e5 * np.random.default_rng(seed).normal(size=len(frame))
    return frame


def test_one_way_on_a_textbook_example():
    """Three fertilisers, six plots each: F(2, 15) = 9.3, p = 0.0024 (Wikipedia, "One-way analysis of variance")."""
    values = {"a": [6, 8, 4, 5, 3, 4], "b": [8, 12, 9, 11, 6, 8], "c": [13, 9, 11, 8, 7, 12]}
    frame = pd.DataFrame([(name, float(v)) for name, group in values.items() for v in group], columns=["group", "y"])
    [row] = anova(frame, "y", ["group"]).rows.to_dict("records")
    assert (row["factor"], row["df"], row["df_residual"]) == ("group", 2, 15)
    assert row["F"] == pytest.approx(42 / (68 / 15))
    assert row["p"] == pytest.approx(0.0024, abs=5e-5)
    assert row["eta_squared"] == pytest.approx(84 / 152)


def test_one_way_equals_scipy():
    frame = crossed().drop(index=[2, 7, 20])
    [row] = anova(frame, "size", ["width"]).rows.to_dict("records")
    expected = stats.f_oneway(*[group["size"] for _, group in frame.groupby("width")])
    assert (row["F"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-8)


def test_factorial_on_a_balanced_grid_equals_sums_of_squares_by_hand():
    frame = crossed()
    rows = anova(frame, "size", FACTORS, interaction=INTERACTION).rows.set_index("factor")
    assert list(rows.index) == [*FACTORS, "width:initializer"]
    assert list(rows["df"]) == [2, 1, 2, 1, 2]
    assert set(rows["df_residual"]) == {36 - 1 - 8}
    grand = frame["size"].mean()
    total = ((frame["size"] - grand) ** 2).sum()
    between = {f: ((frame.groupby(f)["size"].transform("mean") - grand) ** 2).sum() for f in FACTORS}
    cells = ((frame.groupby(list(INTERACTION))["size"].transform("mean") - grand) ** 2).sum()
    between["width:initializer"] = cells - between["width"] - between["initializer"]
    residual = total - sum(between.values())
    for factor, squares in between.items():
        assert rows.loc[factor, "eta_squared"] == pytest.approx(squares / total, abs=1e-9)
        expected = squares / rows.loc[factor, "df"] / (residual / 27)
        assert rows.loc[factor, "F"] == pytest.approx(expected, rel=1e-6)
        assert rows.loc[factor, "p"] == pytest.approx(stats.f.sf(expected, rows.loc[factor, "df"], 27), rel=1e-5)


def test_type_2_does_not_depend_on_the_order_of_factors():
    frame = crossed().drop(index=[1, 5, 6])
    one = anova(frame, "size", FACTORS).rows.set_index("factor")
    other = anova(frame, "size", FACTORS[::-1]).rows.set_index("factor").loc[FACTORS]
    pd.testing.assert_frame_equal(one, other, rtol=1e-8)


def test_factors_with_a_single_level_are_left_out():
    frame = crossed(initializers=("glorot",), data_seeds=1)
    rows = anova(frame, "size", FACTORS, interaction=INTERACTION).rows
    assert list(rows["factor"]) == ["width", "init_seed"]


def test_the_interaction_is_left_out_where_a_combination_is_missing():
    frame = crossed()
    frame = frame[~((frame["width"] == 1) & (frame["initializer"] == "he"))]
    assert "width:initializer" not in set(anova(frame, "size", FACTORS, interaction=INTERACTION).rows["factor"])


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (crossed(widths=(1,), initializers=("he",), init_seeds=1, data_seeds=1), "more than one level"),
        (crossed(initializers=("he",), init_seeds=1, data_seeds=1), "no degrees of freedom"),
        (crossed().assign(size=5.0), "the same for every network"),
        (crossed().query("init_seed == data_seed"), "cannot be told apart"),
    ],
)
def test_what_cannot_be_tested_says_why(frame, why):
    result = anova(frame, "size", FACTORS)
    assert result.rows.empty
    assert why in result.why_empty


def test_without_variation_inside_the_cells_there_is_no_f():
    [row] = anova(crossed().assign(size=lambda f: f["width"]), "size", ["width"]).rows.to_dict("records")
    assert np.isnan(row["F"])
    assert np.isnan(row["p"])
    assert row["eta_squared"] == pytest.approx(1)


def test_unpaired_t_test_is_student_two_tailed():
    one, other = pd.Series([70.1, 68.0, 73.2, 71.0]), pd.Series([43.0, 45.5, 39.9, 41.0, np.nan])
    assert unpaired_t_test(one, other) == pytest.approx(stats.ttest_ind(one, other.dropna()).pvalue)
    # Against a null hypothesis capped at 100 %: the pooled variance is half of the one that varies.
    t = (one.mean() - 100) / np.sqrt(one.var() / 2 * (1 / 4 + 1 / 4))
    assert unpaired_t_test(one, pd.Series([100.0] * 4)) == pytest.approx(2 * stats.t.sf(abs(t), 6))


def test_t_test_without_variation_or_values_has_no_p():
    assert np.isnan(unpaired_t_test(pd.Series([1.0, 1.0]), pd.Series([2.0, 2.0])))
    assert np.isnan(unpaired_t_test(pd.Series([1.0, 2.0]), pd.Series([2.0])))


def test_paired_t_test_by_hand():
    """Mean 3 and variance 2.5: t = 3 / sqrt(0.5) = 4.2426, or with 15 test rows for 70 to train on, 2.9478."""
    differences = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0])
    assert paired_t_test(differences) == pytest.approx(0.013236, abs=1e-6)
    assert paired_t_test(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert 3 / np.sqrt((1 / 5 + 15 / 70) * 2.5) == pytest.approx(2.9478, abs=1e-4)
    assert paired_t_test(differences, test_to_training=15 / 70) == pytest.approx(0.042060, abs=1e-6)
    assert np.isnan(paired_t_test(pd.Series([0.1, 0.1 + 1e-12, 0.1])))
    assert np.isnan(paired_t_test(pd.Series([1.0]), test_to_training=0.2))


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9), st.floats(0.01, 2))
def test_intervals_and_paired_tests_agree_and_sharing_rows_makes_both_less_sure(values, share):
    differences = pd.Series(values)
    mean, p = abs(differences.mean()), paired_t_test(differences)
    if np.isnan(p):
        return
    corrected = paired_t_test(differences, test_to_training=share)
    assert corrected >= p
    for test_to_training, own in ((0.0, p), (share, corrected)):
        half = half_width(differences.std(), len(differences), test_to_training=test_to_training)
        assert (half > mean) == (own > 0.05) or half == pytest.approx(mean)


def test_holms_correction():
    """0.01 of four tests, 0.02 of three, 0.03 of two (which is no larger than 0.02 of three), 0.4 alone."""
    p = pd.Series([0.03, np.nan, 0.01, 0.4, 0.02], index=list("abcde"))
    expected = pd.Series([0.06, np.nan, 0.04, 0.4, 0.06], index=list("abcde"))
    pd.testing.assert_series_equal(holm(p), expected)
    assert holm(pd.Series([0.6, 0.7])).tolist() == [1, 1]


@settings(max_examples=20)  # statsmodels collects garbage each time, which takes a second late in a run of all tests
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holms_correction_is_that_of_statsmodels(values):
    assert holm(pd.Series(values)).to_numpy() == pytest.approx(multipletests(values, method="holm")[1])


def test_the_corrected_test_is_right_where_the_plain_one_is_not():
    """200 draws of 100 rows, of which 20 repeats each leave out 30 to test on: by chance alone one method is better."""
    random, p = np.random.default_rng(0), []
    for _ in range(200):
        apart = random.normal(size=100)
        differences = pd.Series([random.permutation(apart)[:30].mean() for _ in range(20)])
        p.append((paired_t_test(differences), paired_t_test(differences, test_to_training=30 / 70)))
    plain, corrected = np.array(p).T
    assert np.mean(plain < 0.05) > 0.4
    assert np.mean(corrected < 0.05) < 0.08
    assert stats.kstest(corrected, "uniform").statistic < 0.12


@pytest.mark.parametrize(
    ("density", "twin", "own", "expected"),
    [
        (0.531, 443_122, 886_194, 0.266),  # ResNet, 2x; the paper printed 26.4
        (0.430, 43_780_864, 171_578_880, 0.110),  # Conv-2 with Adam, 2x
        (0.433, 266_200, 592_400, 0.195),  # MLP, 2x
        (0.433, 266_200, 23_920, 1.0),  # MLP, 0.1x: capped
    ],
)
def test_null_density_is_the_papers_arithmetic(density, twin, own, expected):
    frame = pd.DataFrame({"width": [1.0, 2.0], "seed": 0, "density": [density, 0.9], "size": [twin, own]})
    null = null_density(frame, density="density", size="size", match=["seed"])
    assert list(null) == pytest.approx([density, expected], abs=5e-4)


def test_null_density_takes_the_twin_with_the_same_seeds():
    frame = pd.DataFrame(
        {
            "width": [2.0, 2.0, 2.0, 1.0, 1.0],
            "initializer": ["he", "he", "glorot", "he", "he"],
            "seed": [1, 0, 0, 0, 1],
            "density": [0.5, 0.5, 0.5, 0.4, 0.6],
            "size": [200, 200, 200, 100, 100],
        },
        index=[7, 3, 5, 1, 9],
    )
    null = null_density(frame, density="density", size="size", match=["initializer", "seed"])
    expected = pd.Series([0.3, 0.2, np.nan, 0.4, 0.6], index=frame.index)
    pd.testing.assert_series_equal(null, expected, check_names=False)


def test_null_density_without_twins_or_sizes_is_empty():
    frame = pd.DataFrame({"width": [2.0, 5.0], "seed": 0, "density": 0.5, "size": [200, 500]})
    assert null_density(frame, density="density", size="size", match=["seed"]).isna().all()
    frame = pd.DataFrame({"width": [1.0, 2.0], "seed": 0, "density": 0.5, "size": 0})
    assert null_density(frame, density="density", size="size", match=["seed"]).isna().all()


def test_overlapping_share_of_normal_distributions():
    assert overlapping_share((40, 5), (40, 5)) == pytest.approx(1)
    # equal deviations: twice the tail beyond half the distance of the means
    assert overlapping_share((40, 5), (50, 5)) == pytest.approx(2 * stats.norm.sf(1))
    assert overlapping_share((40, 2), (90, 5)) < 1e-6


def test_mean_pairwise_distance():
    vectors = np.array([[0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1]])
    assert mean_pairwise_distance(vectors) == pytest.approx((0.25 + 0.5 + 0.75) / 3)
    assert np.isnan(mean_pairwise_distance(vectors[:1]))


def test_the_interval_of_a_difference_of_means_is_welchs():
    one, other = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.7])
    interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = welch_half_width([one.var(ddof=1) / 3, other.var(ddof=1) / 2], [3, 2])
    assert found == pytest.approx((interval.high - interval.low) / 2)
    assert welch_half_width([0.0, 0.0], [2, 3]) == 0
    assert np.isnan(welch_half_width([0.1, 0.1], [2, 1]))
    assert np.isnan(welch_half_width([np.nan, 0.1], [2, 2]))
