import pytest

from analysis.density import published


def mlp_count(width):
    one, two = int(300 * width + 1e-9), int(100 * width + 1e-9)
    return 784 * one + one * two + 10 * two


def conv2_count(width):
    f, d = int(64 * width), int(256 * width)
    return 9216 * (3 * f + f * f) + 256 * f * d + d * d + 10 * d + 4 * f


def resnet_count(width):
    return 27_652 * int(16 * width) + 10 * int(64 * width) + 50


@pytest.mark.parametrize(
    ("key", "count"),
    [(("mnist", "mlp"), mlp_count), (("cifar10", "conv2"), conv2_count), (("cifar10", "resnet"), resnet_count)],
)
def test_table_1_follows_the_closed_formulas(key, count):
    assert published.TABLE_1[key] == {width: count(width) for width in published.TABLE_1[key]}


def test_table_2_null_means_follow_from_table_1():
    """43.3 * 266,200 / 592,400 = 19.5 and so on: the paper counts core sizes in Table 1's way."""
    checked = 0
    for (dataset, architecture, optimizer), cells in published.TABLE_2.items():
        counts = published.TABLE_1[dataset, architecture]
        for width, (null_mean, *_) in cells.items():
            if width > 1:
                expected = cells[1][2] * counts[1] / counts[width]
                assert null_mean == pytest.approx(expected, abs=0.2), (architecture, optimizer, width)
                checked += 1
    assert checked == 5


def test_at_width_1_the_null_hypothesis_is_the_observation():
    for cells in published.TABLE_2.values():
        null_mean, null_std, mean, std = cells[1]
        assert (null_mean, null_std) == (mean, std)


def test_frames_hold_every_cell_of_the_tables():
    assert len(published.parameters()) == 13
    assert len(published.effective_density()) == 17
    assert len(published.overlap()) == 5 * 3 + 4 * 5
    for frame in (published.parameters(), published.effective_density(), published.overlap()):
        assert not frame.duplicated().any()
        assert frame.notna().all(axis=None)
