"""Networks with random weights in all their parameters and statistics, and what they compute without some units."""

from __future__ import annotations

import torch

from raydensity.models.alexnet import AlexNetwork
from raydensity.models.conv2 import Conv2Network
from raydensity.models.mlp import DenseNetwork
from raydensity.models.resnet import ResidualNetwork
from raydensity.models.resnet18 import ResNet18Network
from raydensity.models.resnet56 import ResNet56Network

IMAGE = (2, 6, 4)


def randomized(network, seed=0):
    """The network in float64 and evaluation mode, every number of it drawn; biases and variances are positive."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.double().state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=source, dtype=torch.float64)
                positive = name.endswith(("running_var", "bias"))
                fan_in = max(tensor[0].numel(), 1)
                tensor.copy_(drawn.abs() + 0.5 if positive else drawn / fan_in**0.5)
    return network.eval()


def small(architecture, seed=0):
    """A small network of each architecture, which takes images of shape IMAGE."""
    return randomized(
        {
            "mlp": lambda: DenseNetwork(48, (7, 5), 3),
            "conv2": lambda: Conv2Network(IMAGE, filters=5, units=6, classes=3, unshared=False),
            "conv2-unshared": lambda: Conv2Network(IMAGE, filters=4, units=6, classes=3, unshared=True),
            "resnet": lambda: ResidualNetwork(IMAGE, filters=(4, 5, 6), classes=3, unshared=False),
            "resnet-unshared": lambda: ResidualNetwork(IMAGE, filters=(4, 4, 6), classes=3, unshared=True),
            "alexnet": lambda: AlexNetwork(IMAGE, units=(6, 7, 5, 4), classes=3, activation="elu", dropout=0.5),
            "resnet56": lambda: ResNet56Network(2, filters=4, classes=3),
            "resnet18": lambda: ResNet18Network(2, filters=4, classes=3),
        }[architecture](),
        seed,
    )


SMALL = ["mlp", "conv2", "conv2-unshared", "resnet", "resnet-unshared", "resnet18", "resnet56"]


def images(count, seed=1, shape=IMAGE):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def silenced(network, kept, x):
    """What the network computes if the units that are not kept (masks by layer) are set to 0, after every block."""
    hooks = [
        block.register_forward_hook(lambda block, inputs, output, own=own: output * own.to(output)[:, None, None])
        for layer, own in kept.items()
        if isinstance(network, (ResNet56Network, ResNet18Network)) and layer != "conv"
        for block in network.get_submodule(layer.replace("block", "layer"))
    ]
    for layer, step in network.steps().items():
        x = step(x)
        if layer in kept:
            x = x * kept[layer].to(x).view(1, -1, *[1] * (x.ndim - 2))
    for hook in hooks:
        hook.remove()
    return x
