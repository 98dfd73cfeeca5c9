"""Rooms: networks of many sizes train in stacks of a few sizes, filled up with zeros.

A dense network with a tenth of its units need not cost what the whole one does: it stands in the smallest room that
holds it. Which one is a function of the network alone, never of what trains beside it: kernels are chosen by shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from raydensity.models.mlp import hidden_units
from raydensity.spec import MLP, NetworkSpec
from raydensity.spec.compression import units_left
from raydensity.spec.sparsity import Units
from raydensity.stack import ALIGNMENT

Hidden = tuple[int, ...]


def room_of(spec: NetworkSpec, units: Sequence[int] | None = None) -> Hidden | None:
    """The hidden sizes of the room in which a network with so many units a layer trains, the first ones of the whole
    network; `units` None stands for what its spec says. None for a network that needs all there is, or may do so.

    In every layer the same power of two times ALIGNMENT, or all: few sizes, since each makes a stack of its own.
    """
    units = units or _units(spec)
    if units is None:
        return None
    assert isinstance(spec.architecture, MLP)
    hidden, most = hidden_units(spec.architecture), ALIGNMENT
    while most < max(units):
        most *= 2
    room = tuple(min(most, own) for own in hidden)
    return None if room == hidden else room


def _units(spec: NetworkSpec) -> Sequence[int] | None:
    if isinstance(spec.sparsity, Units):
        return spec.sparsity.kept
    rule, architecture = spec.compression, spec.architecture
    if rule is None or not rule.removes_units or rule.criterion != "share" or not isinstance(architecture, MLP):
        return None
    return [units_left(units, rule.level) for units in hidden_units(architecture)]


def in_room(spec: NetworkSpec, room: Hidden) -> NetworkSpec:
    """The spec of a network as wide as its room."""
    return spec.model_copy(update={"architecture": MLP(width=1.0, hidden=room)})
