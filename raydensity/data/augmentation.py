"""Training images varied at random (Frivolous Units, specification b.3), a whole batch in one go.

What varies an image are DRAWS uniform numbers: where it is cropped (row, column), whether it is flipped, brightness and
contrast. They are drawn for all batches of an epoch, in their order: networks that share an order share them, and
nothing depends on where training was interrupted.
Shapes: C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from raydensity.data.dataset import Dataset
from raydensity.data.preprocessing import CROP, levels, resized, standardized_each
from raydensity.randomness import generator

DRAWS = 5
PADDING = 4  # black pixels around an image, before `per_image` crops it to what it was
BRIGHTNESS = 63.0  # of 255, added or taken off at most
CONTRAST = 0.2, 1.8  # the range of factors


def draw(order_seed: int, epoch: int, images: int) -> Tensor:
    """What varies the images of an epoch, in the order in which they are seen: [images, DRAWS], uniform in [0, 1)."""
    return torch.rand(images, DRAWS, generator=generator(order_seed, "augmentation", epoch))


def augment(dataset: Dataset, images: Tensor, preprocessing: str, draws: Tensor) -> Tensor:
    """Images as the network sees them in training: uint8 [..., C, H, W], draws [..., DRAWS] -> float32 [..., C, H, W].

    `crop_28` takes any 28x28 pixels, flips every other image, changes brightness and contrast, standardises and
    resizes; `per_image` takes any crop of the padded image, flips every other, and standardises.
    """
    size = images.shape[-2], images.shape[-1]
    if preprocessing == "per_image":
        padded = F.pad(images, (PADDING, PADDING, PADDING, PADDING))
        return standardized_each(levels(dataset, cropped(padded, draws, size)))
    assert preprocessing == "crop_28"
    varied = vary(levels(dataset, cropped(images, draws, (CROP, CROP))), draws)
    return resized(standardized_each(varied), size)


def cropped(images: Tensor, draws: Tensor, size: tuple[int, int]) -> Tensor:
    """A part of each image [..., C, H, W] of that size, all places as likely; half of them flipped, left to right."""
    *leading, channels, height, width = images.shape
    row, column, flip = draws.reshape(-1, DRAWS)[:, :3].unbind(1)
    top, left = (row * (height - size[0] + 1)).long(), (column * (width - size[1] + 1)).long()
    across = torch.arange(size[1], device=images.device).expand(len(flip), -1)
    across = torch.where((flip < 0.5)[:, None], size[1] - 1 - across, across)
    rows = top[:, None] + torch.arange(size[0], device=images.device)
    places = rows[:, :, None] * width + (left[:, None] + across)[:, None, :]
    chosen = places.view(-1, 1, size[0] * size[1]).expand(-1, channels, -1)
    return images.reshape(-1, channels, height * width).gather(2, chosen).view(*leading, channels, *size)


def vary(images: Tensor, draws: Tensor) -> Tensor:
    """Other brightness, then other contrast, each channel around its mean: float32 images [..., C, H, W].

    Nothing is clipped, as in the published code: standardisation takes the brightness off again.
    """
    brightness, contrast = draws[..., 3:, None, None, None].unbind(-4)
    low, high = CONTRAST
    shifted = images + (2 * brightness - 1) * BRIGHTNESS
    mean = shifted.flatten(-2).mean(-1)[..., None, None]
    return (shifted - mean) * (low + (high - low) * contrast) + mean
