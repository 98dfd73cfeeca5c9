"""Random labels: what a network can only memorise (Frivolous Units, specification b.3)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch

from raydensity.data.dataset import Dataset
from raydensity.randomness import generator


def with_random_labels(dataset: Dataset, data_seed: int) -> Dataset:
    """The data set with a label drawn for each image of the training file, all classes as likely; test labels stay."""
    source = generator(data_seed, "random labels")
    labels = torch.randint(dataset.description.classes, dataset.train_labels.shape, generator=source)
    digest = hashlib.sha256(dataset.digest.encode() + labels.numpy().tobytes()).hexdigest()
    return replace(dataset, train_labels=labels.to(dataset.train_labels.device), digest=digest)
