"""Images that maximise the activation of a unit (Olah, Mordvintsev and Schubert 2017), as Frivolous Units, section 5.

As Lucid, which made the paper's: gradient ascent by Adam on the Fourier coefficients of an image, scaled so that all
frequencies move alike, with decorrelated colours, seen through random shifts; the objective is the mean of a feature
map. Its successors for PyTorch are not kept up and draw from the global random generator. Not as Lucid: shifts are the
only transformations, and wrap around, as an image made of waves does; and of several random starts that which excites
the unit most is taken, since where a unit is silent there is no gradient to follow.

Legend of shapes: U units, P images at a time, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from raydensity.measures.evaluation_mode import evaluation_mode
from raydensity.models.chain import Chain
from raydensity.randomness import generator

CHUNK = 64  # units at a time
START_DEVIATION = 0.01  # of the coefficients, as Lucid
# Square root of the covariance of the colours of ImageNet, from Lucid: columns are uncorrelated directions.
COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


class Maximized(NamedTuple):
    """Images [U, C, H, W] with values from 0 to 1, and the activation [U] of each one's unit."""

    images: Tensor
    activations: Tensor


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """How images are optimised: Lucid's learning rate and number of steps; shifts are of up to `shift` pixels."""

    steps: int = 512
    learning_rate: float = 0.05
    shift: int = 4
    starts: int = 16


def maximizing_images(
    network: Chain,
    layer: str,
    units: Sequence[int],
    *,
    input_shape: tuple[int, ...],
    seed: int,
    preprocess: Callable[[Tensor], Tensor] = lambda images: images,
    ascent: Ascent | None = None,
) -> Maximized:
    """For each of some units of a hidden layer an image that excites it as much as gradient ascent can.

    `preprocess` turns images [P, C, H, W] with values from 0 to 1 into what the network was trained on, differentiably.
    A unit's image depends on seed, layer and unit, and but for rounding not on the others. The network runs in
    evaluation mode. Raises ValueError for a layer or unit that the network has not, and for data that are no images.
    """
    ascent = ascent or Ascent()
    steps = network.steps()
    if layer not in steps or layer == "logits":
        known = ", ".join(name for name in steps if name != "logits")
        raise ValueError(f"layer: {layer!r} is none of the hidden layers of this network, {known}")
    if len(input_shape) != 3:
        raise ValueError(f"input_shape: units are seen in images, and each datum has shape {input_shape}")
    names = list(steps)
    path = [steps[name] for name in names[: names.index(layer) + 1]]

    def excitations(images: Tensor) -> Tensor:
        """Mean activation of all units of the layer: [P, C, H, W] -> [P, units]."""
        x = preprocess(images)
        for step in path:
            x = step(x)
        return x.flatten(2).mean(2) if x.ndim == 4 else x

    device = next(network.parameters()).device
    with evaluation_mode(network), torch.no_grad():
        count = excitations(torch.zeros(1, *input_shape, device=device)).shape[1]
    if not units:
        raise ValueError(f"units: none is asked for; {layer} has the units 0 to {count - 1}")
    if not all(0 <= unit < count for unit in units):
        raise ValueError(f"units: {layer} has the units 0 to {count - 1}, asked for are {min(units)} to {max(units)}")
    with evaluation_mode(network):
        found = [
            _maximize(excitations, layer, units[begin : begin + CHUNK], input_shape, seed, ascent, device)
            for begin in range(0, len(units), CHUNK)
        ]
    return Maximized(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _maximize(
    excitations: Callable[[Tensor], Tensor],
    layer: str,
    units: Sequence[int],
    input_shape: tuple[int, ...],
    seed: int,
    ascent: Ascent,
    device: torch.device,
) -> Maximized:
    numbers = torch.tensor(units, device=device)[:, None]
    starts = torch.stack([_starts(input_shape, ascent.starts, seed, layer, unit) for unit in units], dim=1).to(device)
    with torch.no_grad():
        excited = torch.stack([excitations(_image(each, input_shape)).gather(1, numbers)[:, 0] for each in starts])
    spectrum = starts[excited.argmax(0), torch.arange(len(units), device=device)].requires_grad_()
    optimizer = torch.optim.Adam([spectrum], lr=ascent.learning_rate)
    shifts = torch.randint(
        -ascent.shift, ascent.shift + 1, (ascent.steps, 2), generator=generator(seed, "shifts", layer)
    )
    for vertical, horizontal in shifts.tolist():
        shifted = _image(spectrum, input_shape).roll((vertical, horizontal), dims=(2, 3))
        own = excitations(shifted).gather(1, numbers).sum()
        (spectrum.grad,) = torch.autograd.grad(-own, spectrum)
        optimizer.step()
    with torch.no_grad():
        images = _image(spectrum, input_shape)
        return Maximized(images, excitations(images).gather(1, numbers)[:, 0])


def _starts(input_shape: tuple[int, ...], count: int, seed: int, layer: str, unit: int) -> Tensor:
    """Random coefficients [count, C, H, W // 2 + 1, 2], real and imaginary."""
    channels, height, width = input_shape
    source = generator(seed, "image", layer, unit)
    return START_DEVIATION * torch.randn(count, channels, height, width // 2 + 1, 2, generator=source)


def _image(spectrum: Tensor, input_shape: tuple[int, ...]) -> Tensor:
    """Images [P, C, H, W] from 0 to 1 of coefficients [P, C, H, W // 2 + 1, 2], divided by their frequency."""
    channels, height, width = input_shape
    vertical = torch.fft.fftfreq(height, device=spectrum.device)[:, None]
    frequency = (vertical.square() + torch.fft.rfftfreq(width, device=spectrum.device).square()).sqrt()
    scale = (height * width) ** 0.5 / frequency.clamp(min=1 / max(height, width))
    waves = torch.fft.irfft2(torch.view_as_complex(spectrum.contiguous()) * scale, s=(height, width)) / 4
    if channels == 3:
        mixing = (COLOURS / COLOURS.norm(dim=0).max()).to(waves)
        waves = torch.einsum("pchw,dc->pdhw", waves, mixing)
    return waves.sigmoid()
