"""What one step of an optimiser does to a parameter, given its gradient, its slots and the learning rate.

Everything is elementwise: a stack of networks, with a rate each, takes the steps that its networks would take alone,
and on a CPU a large one is worked off in blocks, whose intermediate results stay in the cache; Adam is compiled there.
SGD, Adam and Adagrad are those of torch.optim; ProximalAdagrad, RMSProp and FTRL those of TensorFlow 1 (tf.train), with
which the frivolous-units study was made (specification b.4). Tests hold them to torch where it has the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from raydensity import compiled_adam
from raydensity.spec import FTRL, SGD, Adagrad, Adam, Optimizer, ProximalAdagrad, RMSProp

Slots = dict[str, Tensor]

BLOCK_NUMBERS = 2**17


def initial_slots(rule: Optimizer) -> dict[str, float]:
    """The slots of a parameter, each of its shape, by name: "momentum", "mean", "square", "sum", "linear"; and the
    value that they start at."""
    if isinstance(rule, SGD):
        return {"momentum": 0.0} if rule.momentum else {}
    if isinstance(rule, Adam):
        return {"mean": 0.0, "square": 0.0}
    if isinstance(rule, RMSProp):
        return {"square": 1.0}
    if isinstance(rule, FTRL):
        return {"sum": rule.initial_accumulator, "linear": 0.0}
    return {"sum": rule.initial_accumulator}


def update(
    rule: Optimizer,
    parameter: Tensor,
    gradient: Tensor,
    rate: Tensor,
    slots: Slots,
    *,
    number: int,
    mask: Tensor | None = None,
) -> None:
    """Change a parameter and its slots in place. `rate` broadcasts to the parameter; `number` counts steps from 1.

    Where `mask` is False the gradient counts as zero.
    """
    if isinstance(rule, Adam) and compiled_adam.can_be_compiled(parameter):
        compiled_adam.step(rule, parameter, gradient, rate, slots, number=number, mask=mask)
        return
    if isinstance(rule, SGD):
        if mask is not None:
            gradient = gradient * mask
        if rule.momentum:
            gradient = slots["momentum"].mul_(rule.momentum).add_(gradient)
        parameter.addcmul_(gradient, rate, value=-1)
        return
    rate = rate.expand_as(parameter)
    for block in _blocks(parameter):
        own = {name: slot[block] for name, slot in slots.items()}
        given = gradient[block] if mask is None else gradient[block] * mask[block]
        _update(rule, parameter[block], given, rate[block], own, number)


def _blocks(parameter: Tensor) -> Iterator[tuple[slice, ...]]:
    """A stack in parts of about BLOCK_NUMBERS: some rows, or of large rows what lies together."""
    if parameter.device.type != "cpu" or parameter.numel() <= BLOCK_NUMBERS:
        yield (slice(None),)
        return
    outermost = max(range(1, parameter.ndim), key=parameter.stride, default=0)  # in memory
    row = parameter[0].numel()
    rows = max(1, BLOCK_NUMBERS // row)
    length = max(1, BLOCK_NUMBERS * parameter.shape[outermost] // row)
    for first in range(0, len(parameter), rows):
        for start in range(0, parameter.shape[outermost], length):
            part = [slice(None)] * parameter.ndim
            part[outermost] = slice(start, start + length)
            part[0] = slice(first, first + rows)
            yield tuple(part)


def _update(rule: Optimizer, parameter: Tensor, gradient: Tensor, rate: Tensor, slots: Slots, number: int) -> None:
    if isinstance(rule, Adam):
        parameter.addcmul_(_adam(rule, gradient, slots, number), rate, value=-1)
    elif isinstance(rule, Adagrad):
        parameter.addcmul_(_adagrad(rule, gradient, slots), rate, value=-1)
    elif isinstance(rule, RMSProp):
        parameter.addcmul_(_rmsprop(rule, gradient, slots), rate, value=-1)
    elif isinstance(rule, ProximalAdagrad):
        _proximal_adagrad(rule, parameter, gradient, rate, slots)
    elif isinstance(rule, FTRL):
        _ftrl(rule, parameter, gradient, rate, slots)


def _adam(rule: Adam, gradient: Tensor, slots: Slots, number: int) -> Tensor:
    mean, square = slots["mean"], slots["square"]
    mean.lerp_(gradient, 1 - rule.beta1)
    square.mul_(rule.beta2).addcmul_(gradient, gradient, value=1 - rule.beta2)
    denominator = (square.sqrt() / math.sqrt(1 - rule.beta2**number)).add_(rule.epsilon)
    return (mean / denominator).div_(1 - rule.beta1**number)


def _adagrad(rule: Adagrad, gradient: Tensor, slots: Slots) -> Tensor:
    total = slots["sum"].addcmul_(gradient, gradient)
    return gradient / total.sqrt().add_(rule.epsilon)


def _rmsprop(rule: RMSProp, gradient: Tensor, slots: Slots) -> Tensor:
    square = slots["square"].mul_(rule.decay).addcmul_(gradient, gradient, value=1 - rule.decay)
    return gradient / square.add(rule.epsilon).sqrt_()


def _proximal_adagrad(rule: ProximalAdagrad, parameter: Tensor, gradient: Tensor, rate: Tensor, slots: Slots) -> None:
    """Adagrad's step, then the weights nearest to where it led, at the price of l1 |w| + l2 w^2 / 2."""
    step = rate / slots["sum"].addcmul_(gradient, gradient).sqrt()
    parameter.addcmul_(gradient, step, value=-1)
    if rule.l1:
        parameter.copy_(parameter.sign() * (parameter.abs() - rule.l1 * step).clamp_(min=0))
    if rule.l2:
        parameter.div_(1 + rule.l2 * step)


def _ftrl(rule: FTRL, parameter: Tensor, gradient: Tensor, rate: Tensor, slots: Slots) -> None:
    """The weights that minimise linear w + sqrt(sum) w^2 / (2 rate) + l1 |w| + l2 w^2."""
    total, linear = slots["sum"], slots["linear"]
    growth = total.sqrt().neg_()
    root = total.addcmul_(gradient, gradient).sqrt()
    growth.add_(root)
    linear.add_(gradient).sub_(growth.div_(rate).mul_(parameter))
    pull = linear.sign() * (linear.abs() - rule.l1).clamp_(min=0) if rule.l1 else linear
    parameter.copy_(pull).div_(root.div_(rate).add_(2 * rule.l2)).neg_()
