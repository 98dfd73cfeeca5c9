"""Networks of one shape in stacked tensors: parameters, buffers, masks, and networks in and out of them.

Legend of shapes: N networks, R rows of the stack (R >= N).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from raydensity import models
from raydensity.models.chain import Chain

ALIGNMENT = 16  # float32 numbers in 64 bytes

State = dict[str, Tensor]


class Stack:
    """Room for networks like `model` (on the meta device), all zero.

    `parameters` and `buffers` map names to stacked tensors [R, ...]. `masks` are stacked like the parameters (bool,
    False: masked), None for networks that are not sparse; `rewind_point` (parameters and buffers) is what lottery
    tickets go back to. `shapes` are the exact shapes of one network's parameters, where `model` is padded. `looped`
    starts every network at a whole ALIGNMENT, `transposed` stores matrices [R, in, out], and `ghost` fills up a stack
    of one with a copy of its network.
    """

    def __init__(
        self,
        model: Chain,
        *,
        shapes: dict[str, tuple[int, ...]],
        size: int,
        device: torch.device,
        looped: bool = False,
        transposed: bool = False,
        ghost: bool = False,
    ) -> None:
        self.model, self.shapes, self.size, self.device = model, shapes, size, device
        self.looped, self.transposed, self.ghost = looped, transposed, ghost
        self.parameters = {name: self._allocate(tuple(p.shape), p.dtype) for name, p in model.named_parameters()}
        self.buffers = {name: self._allocate(tuple(b.shape), b.dtype) for name, b in model.named_buffers()}
        self.masks: State | None = None
        self.rewind_point: State | None = None

    @property
    def rows(self) -> int:
        """R: the networks, and the ghost beside a single one."""
        return max(self.size, 2) if self.ghost else self.size

    def _allocate(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Zeros [R, *shape]; transposed matrices are read faster by the products of dense layers.

        In a loop every network starts at a whole ALIGNMENT: some kernels sum in another order elsewhere.
        """
        if self.looped:
            length = math.prod(shape)
            whole = torch.zeros(self.rows, length + -length % ALIGNMENT, dtype=dtype, device=self.device)
            return whole[:, :length].view(self.rows, *shape)
        if self.transposed and len(shape) == 2:
            return torch.zeros(self.rows, shape[1], shape[0], dtype=dtype, device=self.device).transpose(1, 2)
        return torch.zeros(self.rows, *shape, dtype=dtype, device=self.device)

    def weights(self, name: str, stacked: Tensor | None = None) -> Tensor:
        """View [N, *shape] of one parameter (or of a tensor stacked like it) without ghost and padding."""
        tensor = self.parameters[name].detach() if stacked is None else stacked
        return tensor[(slice(self.size), *(slice(length) for length in self.shapes[name]))]

    def prunable(self) -> list[str]:
        """Names of the kernels, in the order of the layers."""
        return [name for name, shape in self.shapes.items() if models.is_prunable(name, shape)]

    def state(self, index: int) -> State:
        """Copy of one network's parameters and buffers, by name and in their exact shapes."""
        state = {name: self.weights(name)[index].clone(memory_format=torch.contiguous_format) for name in self.shapes}
        return state | {name: b[index].clone() for name, b in self.buffers.items()}

    @torch.no_grad()
    def load(self, index: int, state: State) -> None:
        """Overwrite one network with a state as `state` gives it; names that it lacks stay as they are."""
        self._load(index, state, {**self.parameters, **self.buffers})

    def _load(self, index: int, state: State, stack: State) -> None:
        for name, value in state.items():
            target = self.weights(name, stack[name].detach()) if name in self.shapes else stack[name]
            target[index].copy_(value)
        if index == 0 and self.rows > self.size:
            for stacked in stack.values():
                stacked.detach()[1].copy_(stacked.detach()[0])

    @torch.no_grad()
    def mark_rewind_point(self) -> None:
        """Note parameters and buffers as they are."""
        everything = (*self.parameters.items(), *self.buffers.items())
        self.rewind_point = {name: self._copy(tensor.detach()) for name, tensor in everything}

    def _copy(self, stacked: Tensor) -> Tensor:
        return self._allocate(tuple(stacked.shape[1:]), stacked.dtype).copy_(stacked)

    @torch.no_grad()
    def load_rewind_point(self, index: int, state: State) -> None:
        """One network's part of the rewind point, as `rewind_state` gave it."""
        if self.rewind_point is None:
            self.mark_rewind_point()
        self._load(index, state, self.rewind_point or {})

    def rewind_state(self, index: int) -> State | None:
        """Copy of one network's part of the rewind point, in exact shapes."""
        if self.rewind_point is None:
            return None
        point = self.rewind_point
        return {n: (self.weights(n, t) if n in self.shapes else t)[index].clone() for n, t in point.items()}

    @torch.no_grad()
    def set_masks(self, masks: State) -> None:
        """Make the networks sparse: masks [N, *shape] (bool) by parameter name, those that lack stay whole."""
        if self.masks is None:
            self.masks = {name: self._allocate(tuple(p.shape[1:]), torch.bool) for name, p in self.parameters.items()}
        for name, stacked in self.masks.items():
            self.weights(name, stacked)[:] = masks.get(name, torch.ones((), dtype=torch.bool, device=self.device))
            if self.rows > self.size:
                stacked[1].copy_(stacked[0])
        for name, mask in self.masks.items():
            self.parameters[name].detach().mul_(mask)

    def mask(self, index: int) -> State | None:
        """Copy of one network's masks, by name and in exact shapes."""
        if self.masks is None:
            return None
        masks = self.masks
        return {name: self.weights(name, masks[name])[index].clone() for name in self.shapes}

    @torch.no_grad()
    def keep(self, indices: Sequence[int], *slots: State) -> None:
        """Drop all networks but `indices`; `slots` are further stacks (of an optimiser), shrunk in place with them."""
        assert indices
        self.size = len(indices)
        chosen = torch.tensor([*indices, *indices[:1]][: self.rows], device=self.device)
        for stack in (self.parameters, self.buffers, self.masks or {}, self.rewind_point or {}, *slots):
            for name, old in stack.items():
                new = self._allocate(tuple(old.shape[1:]), old.dtype)
                stack[name] = new.copy_(old.detach()[chosen])
