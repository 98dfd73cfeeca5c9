import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity.interpretability.total_variation import spectral_total_variation, total_variation


def test_literals():
    image = torch.tensor([[[0.0, 1], [2, 4]], [[0, 0], [0, -3]]])
    assert total_variation(image) == (2 + 3 + 1 + 2) + (3 + 3)
    assert total_variation(torch.stack([image, 2 * image])).tolist() == [14, 28]


def test_spectra_of_a_constant_and_of_a_single_pixel():
    constant = torch.full((1, 4, 6), 0.5)
    assert total_variation(constant) == 0
    assert spectral_total_variation(constant) == pytest.approx(2 * 4 * 6 * 0.5)  # all of it at frequency 0
    pixel = torch.zeros(1, 4, 6)
    pixel[0, 2, 3] = 7
    assert total_variation(pixel) == 4 * 7
    assert spectral_total_variation(pixel) == pytest.approx(0, abs=1e-9)  # all frequencies alike


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(0, 99))
def test_symmetries(channels, height, width, seed):
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(2, channels, height, width, generator=source, dtype=torch.float64)
    whole = total_variation(images)
    for same in (images + 0.25, images.flip(-1), images.flip(-2), images.mT, -images, images.flip(1)):
        torch.testing.assert_close(total_variation(same), whole)
    torch.testing.assert_close(total_variation(3 * images), 3 * whole)
    rolled = images.roll((1, 2), dims=(-2, -1))  # a shift moves no magnitude
    torch.testing.assert_close(spectral_total_variation(rolled), spectral_total_variation(images))
