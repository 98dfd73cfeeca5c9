"""Total variation of images and of their spectra: the lower, the easier to interpret (Frivolous Units, section 5)."""

from __future__ import annotations

import torch
from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """Sum of the absolute differences of neighbouring pixels, over all channels: [..., C, H, W] -> float64 [...].

    Neighbours are those below and to the right, none across the border (specification b.9).
    """
    images = images.double()
    vertical, horizontal = images.diff(dim=-2).abs(), images.diff(dim=-1).abs()
    return vertical.sum(dim=(-3, -2, -1)) + horizontal.sum(dim=(-3, -2, -1))


def spectral_total_variation(images: Tensor) -> Tensor:
    """Total variation of the magnitudes of the discrete Fourier transform of each channel, frequency 0 first."""
    return total_variation(torch.fft.fft2(images.double()).abs())
