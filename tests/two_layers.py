"""Networks of two layers for the tests of pruning: one by hand, others drawn; and how to score one alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from sparse_networks import tiny_dataset
from torch import Tensor

KERNELS = ("fc1.weight", "proj.weight")

# At the point (1, 2) the units give 2 and 4, the logit is 0, so that the loss of label 1 falls by half of the logit.
# Then a weight times its gradient is, but for that half: 1.5, 0.5 and 0.25, 0.75 in fc1; 2 and 1 in proj.
BY_HAND = {
    "fc1.weight": torch.tensor([[1.5, 0.25], [1.0, 1.5]]),
    "fc1.bias": torch.tensor([0.0, 0.0]),
    "proj.weight": torch.tensor([[1.0, -0.25]]),
    "proj.bias": torch.tensor([-1.0]),
}
POINT = tiny_dataset(torch.tensor([[1.0, 2.0]]), torch.tensor([1]))


def kept(masks: dict[str, Tensor]) -> list:
    """Each network's kept weights, layer by layer, as nested lists of 0 and 1."""
    return [[masks[name][index].int().tolist() for name in KERNELS] for index in range(len(masks["fc1.weight"]))]


def loss_of(state: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of one network, in double precision."""
    hidden = F.relu(images @ state["fc1.weight"].T + state["fc1.bias"])
    logits = (hidden @ state["proj.weight"].T + state["proj.bias"])[:, 0]
    return F.binary_cross_entropy_with_logits(logits, labels)


def drawn(seed: int, units: int = 4, points: int = 16):
    """Weights of a network, and points to ask it about."""
    source = torch.Generator().manual_seed(seed)
    state = {
        "fc1.weight": torch.randn(units, 2, generator=source),
        "fc1.bias": torch.randn(units, generator=source) / 2,
        "proj.weight": torch.randn(1, units, generator=source),
        "proj.bias": torch.randn(1, generator=source) / 2,
    }
    images, labels = torch.randn(points, 2, generator=source), torch.randint(0, 2, (points,), generator=source)
    return state, tiny_dataset(images, labels)


def batch_of(start, number: int) -> tuple[Tensor, Tensor]:
    """The first network's batch, in double precision."""
    images, labels = start.batch(number)
    return images[0].double(), labels[0].double()


def top(scores: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """Masks of the largest, all layers together."""
    flat = torch.cat([scores[name].flatten() for name in KERNELS])
    found = torch.zeros_like(flat, dtype=torch.bool)
    found[flat.sort(descending=True, stable=True).indices[:count]] = True
    split = found.split([scores[name].numel() for name in KERNELS])
    return {name: part.view_as(scores[name]) for name, part in zip(KERNELS, split, strict=True)}
