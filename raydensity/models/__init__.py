"""Architectures as plain nn.Modules that take a width factor; one file each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import torch
from torch import Tensor, nn

from raydensity.data.dataset import Description
from raydensity.models import alexnet, mlp
from raydensity.models.chain import Chain
from raydensity.spec import MLP, AlexNet, Architecture

__all__ = ["build", "initial_biases", "is_prunable", "outline", "prunable"]


def build(architecture: Architecture, *, input_shape: tuple[int, ...], classes: int, unit_multiple: int = 1) -> Chain:
    """The architecture for images of `input_shape` (channels, height, width; of dense networks any shape).

    `classes` is how many logits it answers with.

    `unit_multiple` rounds the hidden units of a dense network up, for cohorts that pad; others ignore it. Works under
    `torch.device("meta")`. Raises ValueError where the width leaves a layer empty, and for
    convolutions over what is no image, or too small a one.
    """
    if isinstance(architecture, MLP):
        return mlp.build(architecture, input_shape=input_shape, classes=classes, unit_multiple=unit_multiple)
    if len(input_shape) != 3:
        raise ValueError(f"architecture: {architecture.name} needs images, and each datum has shape {input_shape}")
    # By its name, and only the one asked for: torchvision, which some use, takes seconds to import.
    module = import_module(f"raydensity.models.{architecture.name}")
    network: Chain = module.build(architecture, input_shape=input_shape, classes=classes)
    return network


def outline(architecture: Architecture, known: Description) -> Chain:
    """The network for a data set without its numbers, on the meta device: shapes alone. Raises as `build`."""
    with torch.device("meta"):
        return build(architecture, input_shape=known.input_shape, classes=known.logits)


def initial_biases(architecture: Architecture) -> Mapping[str, float]:
    """The biases that do not start at zero, by parameter name."""
    return alexnet.AlexNetwork.biases if isinstance(architecture, AlexNet) else {}


def is_prunable(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter of one network counts as weights: kernels do, biases and batch norm do not (section 3.2)."""
    return name.endswith("weight") and len(shape) >= 2


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The kernels of one network, by parameter name, in the order of the layers."""
    return {name: p for name, p in model.named_parameters() if is_prunable(name, tuple(p.shape))}
