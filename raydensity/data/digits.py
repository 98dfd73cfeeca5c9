"""Digits: 1,797 handwritten digits of 8x8 pixels with values 0 to 16 (Alpaydin and Kaynak 1998), part of scikit-learn.

They have no test set of their own: the last 359 images of the file (20 %, rounded down) are held out as one.
"""

from __future__ import annotations

from pathlib import Path

import torch

from raydensity.data.dataset import Arrays, Description, Source

TRAIN_SIZE, TEST_SIZE = 1_438, 359


def read(root: Path) -> Arrays:
    """The digits that come with scikit-learn; the data folder plays no part."""
    from sklearn.datasets import load_digits  # here, since importing it takes a second

    pixels, targets = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).to(torch.uint8).view(-1, 1, 8, 8)
    labels = torch.from_numpy(targets).long()
    return Arrays(images[:TRAIN_SIZE], labels[:TRAIN_SIZE], images[TRAIN_SIZE:], labels[TRAIN_SIZE:])


DIGITS = Source(
    Description(
        name="digits",
        input_shape=(1, 8, 8),
        classes=10,
        train_size=TRAIN_SIZE,
        validation_size=287,  # 20 % of the training file, rounded down
        test_size=TEST_SIZE,
        scale=16,
    ),
    read,
)
