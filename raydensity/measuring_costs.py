"""What measuring the units of a network takes: arithmetic and memory, counted."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from itertools import accumulate
from typing import NamedTuple

from raydensity import data, models
from raydensity.data import Description
from raydensity.interpretability.maximization import Ascent
from raydensity.interpretability.units import MOST_UNITS
from raydensity.measures import covariance, prunability
from raydensity.models.chain import Chain
from raydensity.models.layers import UnsharedConv2d
from raydensity.models.positions import ran
from raydensity.narrowing.refactoring import ROWS_OF_UNITS, rows_at_a_time
from raydensity.spec import AnyDataset, Architecture, NetworkSpec

COVARIANCE = {"redundancy", "correlation"}
OF_CLASSES = {"activations", "correctness", "prunability", "prunability_by_position", "narrowing"}
WAYS = {"prunability": False, "prunability_by_position": True}  # whether positions of feature maps are units
EIGENVALUE_FLOPS = 3  # for each unit to the third: rough
NARROWING_NUMBERS = 2**28  # of the images that narrow networks are made and judged by, at most: 1 GiB each
REGRESSION_FLOPS = 10  # for each unit to the third, pivoting and least squares: rough
DECOMPOSED = 4  # copies of the examples that are decomposed, in float64, that are there at once
SQUARES = 4  # matrices of the largest layer, in float64, that are there while covariances are merged and taken apart


class Layer(NamedTuple):
    """A step of a network, the last its logits: arithmetic of one image, units, and positions of each."""

    name: str
    flops: int
    units: int
    positions: int


def flops(spec: NetworkSpec) -> float:
    """Arithmetic that the measures of a network's units take, at most: convolutions leave out much of it."""
    known = data.describe(spec.dataset)
    images = measured_images(spec, known)
    steps = layers(spec.dataset, spec.architecture)
    whole = sum(step.flops for step in steps)
    ways = sum(way in spec.measures for way in WAYS)
    covaries = not COVARIANCE.isdisjoint(spec.measures)
    total = float(images * whole) if ways or covaries else 0.0
    if ways:
        after = dict(zip((step.name for step in steps), _after(steps), strict=True))
        ablated = _ablated(spec.dataset, spec.architecture)
        ablations = prunability.REPEATS * len(prunability.PARTS)
        # All layers at once and the first alone have what comes up to the second in common.
        passes = sum(after[name] for name in (*ablated, *ablated[1:2]))
        total += ways * images * ablations * passes
    for step in steps[:-1] if covaries else ():
        examples, repeats = _examples(images, step)
        total += repeats * (2 * examples * step.units**2 + EIGENVALUE_FLOPS * step.units**3)
    if "narrowing" in spec.measures:  # units are chosen by both measures on other images, and regressed on each other
        chosen = spec.model_copy(update={"measures": ("prunability", "redundancy"), "measured_images": 0})
        total += flops(chosen) * known.judged_size / max(known.test_size, known.judged_size)
        total += 3 * _there(known) * whole
        total += refactoring_flops(spec.dataset, spec.architecture, known.judged_size)
    if "interpretability" in spec.measures:
        ascent, up_to = Ascent(), 0.0
        for step in steps[:-1]:
            up_to += step.flops
            total += min(step.units, MOST_UNITS) * up_to * (3 * ascent.steps + ascent.starts)
    return total


def check(spec: NetworkSpec) -> None:
    """ValueError, in one line, where there is no such network, or a measure cannot be taken of it on these data."""
    known, network = data.describe(spec.dataset), _network(spec.dataset, spec.architecture)
    if "interpretability" in spec.measures and not (known.pixels and len(known.input_shape) == 3):
        raise ValueError(f"measures: interpretability is of units that see images, and {known.name} has none")
    if "export" in spec.measures and (spec.compression is None or not spec.compression.removes_units):
        raise ValueError("measures: export is of networks whose units were removed after training (compression)")
    if known.regression and (asked := OF_CLASSES.intersection(spec.measures)):
        raise ValueError(f"measures: {', '.join(sorted(asked))} need classes, and {known.name} is a regression")
    there = _there(known)
    if not COVARIANCE.isdisjoint(spec.measures) and spec.measured_images == 1:
        raise ValueError("measured_images: covariances need two images or more (0: all)")
    if spec.measured_images > there:
        raise ValueError(
            f"measured_images: {known.name} has {there:,} images to measure on, not {spec.measured_images:,}"
        )
    if "narrowing" in spec.measures:
        try:
            network.wiring()
        except ValueError as error:
            raise ValueError(f"measures: narrowing is not for {spec.architecture.name}: {error}") from None


def bytes_needed(spec: NetworkSpec) -> float:
    """Memory that they take beside the outputs of the layers."""
    known = data.describe(spec.dataset)
    images = measured_images(spec, known)
    hidden = layers(spec.dataset, spec.architecture)[:-1]
    measures, of_images, of_regressions = set(spec.measures), 0, 0.0
    if "narrowing" in measures:
        measures |= {"prunability", "redundancy"}
        pixels = math.prod(known.input_shape)
        of_images = sum(4 * min(NARROWING_NUMBERS, count * pixels) for count in (known.judged_size, known.test_size))
        of_regressions = refactoring_bytes(spec.dataset, spec.architecture, known.judged_size)
    of_ablations = of_covariances = 0
    for by_position in (own for way, own in WAYS.items() if way in measures):
        masked = sum(step.units * (step.positions if by_position else 1) for step in hidden)
        of_ablations += 4 * masked * prunability.REPEATS * len(prunability.PARTS)
    if not COVARIANCE.isdisjoint(measures):
        for step in hidden:
            _, repeats = _examples(images, step)
            of_covariances += repeats * (8 * step.units**2 + 2 * 4 * covariance.BLOCK * step.units)
        of_covariances += SQUARES * 8 * max(step.units for step in hidden) ** 2
    return of_ablations + of_covariances + of_images + of_regressions


def refactoring_flops(dataset: AnyDataset, architecture: Architecture, images: int) -> float:
    """Arithmetic of refactoring a network by so many images: for each wiring a pass, and regressions at its consumers.

    At most: what is pooled before it is seen has fewer positions.
    """
    total = 0.0
    whole = sum(step.flops for step in layers(dataset, architecture))
    for step, consumers in _wirings(dataset, architecture):
        decomposed = 2 * (1 + 1 / ROWS_OF_UNITS) * images * step.positions * step.units**2
        total += images * whole + consumers * (decomposed + REGRESSION_FLOPS * step.units**3)
    return total


def refactoring_bytes(dataset: AnyDataset, architecture: Architecture, images: int) -> float:
    """Memory that this takes, at the wiring that takes most: of each consumer a triangle, and what waits."""
    most = 0.0
    for step, consumers in _wirings(dataset, architecture):
        rows = min(rows_at_a_time(step.units), images * step.positions)
        held = consumers * (8 * step.units**2 + 4 * rows * step.units)
        most = max(most, held + DECOMPOSED * 8 * (rows + step.units) * step.units)
    return most


def _wirings(dataset: AnyDataset, architecture: Architecture) -> list[tuple[Layer, int]]:
    """Of each wiring the layer with most positions, and how many consumers see its units."""
    steps = {step.name: step for step in layers(dataset, architecture)}
    return [
        (max((steps[layer] for layer in wiring.layers), key=lambda step: step.positions), len(wiring.consumers))
        for wiring in _network(dataset, architecture).wiring()
    ]


def measured_images(spec: NetworkSpec, known: Description) -> int:
    """How many images units are measured on: of the test set, or of the validation images where there is none."""
    there = _there(known)
    return min(there, spec.measured_images or there)


def _there(known: Description) -> int:
    """The test images; the validation images where there are none."""
    return known.test_size or known.judged_size


@cache
def layers(dataset: AnyDataset, architecture: Architecture) -> tuple[Layer, ...]:
    """The steps of a network, in order. It need not run, and may be too large for that."""
    modules = dict(_network(dataset, architecture).named_modules())
    found = []
    for name, step in ran(dataset, architecture).items():
        flops = 0
        for layer, positions in step.layers.items():
            module = modules[layer]
            once = isinstance(module, UnsharedConv2d)  # has its weights once for each position already
            flops += 2 * module.get_parameter("weight").numel() * (1 if once else positions)
        found.append(Layer(name, flops, step.units, step.positions))
    return tuple(found)


@cache
def _ablated(dataset: AnyDataset, architecture: Architecture) -> list[str]:
    return _network(dataset, architecture).ablated_layers()


@lru_cache(maxsize=64)  # of those that stand together in a grid
def _network(dataset: AnyDataset, architecture: Architecture) -> Chain:
    return models.outline(architecture, data.describe(dataset))


def _after(steps: tuple[Layer, ...]) -> list[int]:
    """Arithmetic of all that follows each step."""
    return list(accumulate((step.flops for step in reversed(steps[1:])), initial=0))[::-1]


def _examples(images: int, step: Layer) -> tuple[int, int]:
    """Examples of a layer that are taken at a time, and how many times."""
    examples = images * step.positions
    if examples <= covariance.MOST_EXAMPLES:
        return examples, 1
    return covariance.MOST_EXAMPLES, covariance.REPEATS
