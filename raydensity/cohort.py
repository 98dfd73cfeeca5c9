"""Many networks of one shape as one stacked module.

Legend of shapes: N networks, R rows of the stack (R >= N), B images a batch, C classes.

A cohort runs in one of four ways, which callers never see:

- dense networks with one logit and gradient descent, on a CPU: the compiled steps of `compiled.py`;
- other dense networks in fp32: the batched products of `dense.py`, written out;
- anything else on a GPU, and dense networks in bf16: `torch.func.vmap` runs the plain module over the stack;
- convolutions on a CPU: one network after the other, on views of the stack, which is twice as fast there.

Sparse networks have masks, one a parameter; what is masked is zero and stays so. The compiled steps leave it out of
all they compute.

Results do not depend on the packing. On a CPU they are bit-equal, for which a stack never has fewer than two rows
(a ghost of the first fills up: a single network runs the same kernels), unless its networks are worked off one by one,
and batches and hidden layers of dense networks are padded to multiples of 16 images and units (64 bytes), whose
gradients are and stay zero. On a GPU the libraries choose kernels by size, and equality holds to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from raydensity import compiled, dense, models
from raydensity.initializers import starting_parameters
from raydensity.losses import example_losses, is_right, mean_loss
from raydensity.models.chain import Chain
from raydensity.models.mlp import DenseNetwork
from raydensity.published_weights import Weights
from raydensity.spec import MLP, SGD, NetworkSpec
from raydensity.stack import ALIGNMENT, Stack, State


class Cohort(Stack):
    """The networks of `specs` (all of one `cohort_key`) on one device, freshly initialised.

    `gradients`, stacked like the parameters, is filled by `loss_and_gradients`. `published` has the weights that specs
    name by digest. `stacked` forces batched products or a loop over networks; by default the fastest way for the device
    is taken.
    """

    def __init__(
        self,
        specs: Sequence[NetworkSpec],
        *,
        input_shape: tuple[int, ...],
        classes: int,
        device: torch.device | str = "cpu",
        stacked: bool | None = None,
        published: Mapping[str, Weights] | None = None,
    ) -> None:
        assert len({spec.cohort_key for spec in specs}) == 1, "networks of one cohort must share their cohort_key"
        first = specs[0]
        device = torch.device(device)
        self.precision = first.training.precision
        self.compiled = stacked is None and can_be_compiled(first, classes=classes, device=device)
        faster_stacked = isinstance(first.architecture, MLP) or device.type != "cpu"
        self.stacked = not self.compiled and (faster_stacked if stacked is None else stacked)
        self._build = partial(models.build, first.architecture, input_shape=input_shape, classes=classes)
        with torch.device("meta"):
            model = self._build(unit_multiple=ALIGNMENT if self.stacked else 1)
            exact = self._build()
        self.written_out = self.stacked and isinstance(model, DenseNetwork) and self.precision == "fp32"
        wide = self.written_out and dense.is_wide(math.prod(input_shape), device)
        super().__init__(
            model,
            shapes={name: tuple(p.shape) for name, p in exact.named_parameters()},
            size=len(specs),
            device=device,
            looped=not self.stacked and not self.compiled,
            transposed=self.stacked,
            ghost=self.stacked and not wide and device.type == "cpu",
        )
        self.shallow = self.written_out and dense.is_shallow(self._layers(self.parameters))
        # Whether networks may share images in memory, which products read from the cache then; vmap and the compiled
        # passes take each network's own.
        self.shares_images = not self.stacked or (self.written_out and not self.shallow)
        self.gradients: State = {}
        for index, spec in enumerate(specs):
            state = starting_parameters(self.shapes, spec, published or {})
            state |= {name: torch.ones(b.shape[1:]) for name, b in self.buffers.items() if name.endswith("running_var")}
            self.load(index, state)
        self._make_leaves()

    def _make_leaves(self) -> None:
        """Prepare the gradients: stacked, or in a loop views of the stack, one leaf of autograd a network."""
        if self.compiled:
            self.gradients = {}  # made when asked for: the compiled steps need none
        elif self.written_out:
            self.gradients = {name: torch.empty_like(p) for name, p in self.parameters.items()}
        elif self.stacked:
            self.parameters = {name: p.detach().requires_grad_() for name, p in self.parameters.items()}
        else:
            self.gradients = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
            self._leaves = []
            for row in range(self.rows):
                leaves = {name: p.detach()[row].requires_grad_() for name, p in self.parameters.items()}
                for name, leaf in leaves.items():
                    leaf.grad = self.gradients[name][row]
                self._leaves.append(leaves)

    def keep(self, indices: Sequence[int], *slots: State) -> None:
        """Drop all networks but `indices`; `slots` are further stacks (of an optimiser), shrunk in place with them."""
        super().keep(indices, *slots)
        self._make_leaves()

    # Computation ----------------------------------------------------------------------------------------------------

    def _fill(self, tensor: Tensor) -> Tensor:
        """[N, ...] -> [R, ...]: the ghost gets what the only network gets."""
        if self.rows == self.size:
            return tensor
        return tensor.expand(self.rows, *tensor.shape[1:]) if self.shares_images else torch.cat([tensor, tensor])

    def _align(self, images: Tensor) -> Tensor:
        """[N, B, ...] -> [N, B', ...]: batches of dense networks on a CPU are filled with zeros to whole ALIGNMENTs."""
        short = -images.shape[1] % ALIGNMENT
        if not short or not self.stacked or self.device.type != "cpu" or not isinstance(self.model, DenseNetwork):
            return images
        if len(images) > 1 and images.stride(0) == 0:
            return self._align(images[:1]).expand(len(images), -1, *images.shape[2:])
        return torch.cat([images, images.new_zeros(len(images), short, *images.shape[2:])], dim=1)

    def _layers(self, stack: State) -> list[dense.Layer]:
        """The layers of stacked dense networks, from parameters or tensors stacked like them."""
        return [dense.Layer(stack[f"{name}.weight"], stack[f"{name}.bias"]) for name, _ in self.model.named_children()]

    def _call(self, parameters: State, buffers: State, images: Tensor, dropout: State | None = None) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16", cache_enabled=False):
            return functional_call(self.model, {**parameters, **buffers}, (images, dropout)).float()

    def loss_and_gradients(self, images: Tensor, labels: Tensor, dropout: State | None = None) -> tuple[Tensor, Tensor]:
        """One forward and backward pass in training mode, batch-norm statistics updated.

        images [N, B, channels, height, width], labels [N, B] -> mean loss [N], number correct [N];
        `gradients` then holds the gradient of each network's mean loss, stacked like `parameters`. `dropout` has what
        the units of layers with dropout are multiplied by, [N, B, units] (`dropout.factors`).
        """
        dropout = dropout or {}
        if self.compiled:
            self.gradients = {name: torch.empty_like(p) for name, p in self.parameters.items()}
            inputs = images.flatten(2).transpose(1, 2).contiguous()
            into = self.compiled_layers(self.gradients)
            losses, right = compiled.gradients(
                self.compiled_layers(self.parameters), into, images=inputs, labels=labels.float().contiguous()
            )
            return losses, right
        images = self._align(images)
        if self.written_out:
            x, labels = self._fill(images).flatten(2), self._fill(labels)
            result = dense.gradients(self._layers(self.parameters), x, labels, self._layers(self.gradients))
            return result.loss[: self.size], result.correct[: self.size]
        self.model.train()
        if self.stacked:
            labels = self._fill(labels)
            dropout = {name: self._fill(factors) for name, factors in dropout.items()}
            everything = self.parameters, self.buffers, self._fill(images), dropout
            logits = vmap(self._call)(*everything)[:, : labels.shape[1]]
            losses = example_losses(logits, labels).mean(1)
            # What has no part in the loss, as an auxiliary head, has a gradient of zero.
            gradients = torch.autograd.grad(losses.sum(), list(self.parameters.values()), materialize_grads=True)
            self.gradients = dict(zip(self.parameters, gradients, strict=True))
            return losses.detach()[: self.size], is_right(logits, labels).sum(1)[: self.size]
        each_loss, each_correct = zip(*self._loop(images, labels, dropout), strict=True)
        return torch.stack(each_loss), torch.stack(each_correct)

    def _loop(self, images: Tensor, labels: Tensor, dropout: State) -> list[tuple[Tensor, Tensor]]:
        """Loss and number correct of one network after the other; gradients go into their rows of the stack."""
        results = []
        for gradient in self.gradients.values():
            gradient.zero_()
        for row, leaves in enumerate(self._leaves):
            buffers = {name: b[row] for name, b in self.buffers.items()}
            own = {name: factors[row] for name, factors in dropout.items()}
            logits = self._call(leaves, buffers, channels_last(images[row]), own)
            loss = mean_loss(logits, labels[row])
            loss.backward()
            results.append((loss.detach(), is_right(logits, labels[row]).sum()))
        return results

    @torch.no_grad()
    def descend(self, images: Tensor, labels: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
        """As `loss_and_gradients`, with a step of plain gradient descent in one go.

        Only where `written_out`, and slower than two steps where `shallow`.

        rates [R] are the learning rates; `gradients` stays as it was.
        """
        x, labels = self._fill(self._align(images)).flatten(2), self._fill(labels)
        result = dense.descend(self._layers(self.parameters), x, labels, rates.view(-1, 1, 1))
        return result.loss[: self.size], result.correct[: self.size]

    @torch.no_grad()
    def logits(self, images: Tensor, parameters: State | None = None) -> Tensor:
        """Forward pass in evaluation mode: images [N, B, ...] -> [N, B, C], with `parameters` or the cohort's own."""
        parameters = self.parameters if parameters is None else parameters
        if self.compiled:
            shared = images[:1] if images.stride(0) == 0 else images  # the same images for all networks
            inputs = shared.flatten(2).transpose(1, 2).contiguous()
            return compiled.logits(self.compiled_layers(parameters), inputs).unsqueeze(2)
        count, images = images.shape[1], self._align(images)
        if self.written_out:
            outputs = dense.logits(self._layers(parameters), self._fill(images).flatten(2))
            return outputs[: self.size, :count]
        self.model.eval()
        if self.stacked:
            return vmap(self._call)(parameters, self.buffers, self._fill(images))[: self.size, :count]
        rows = range(self.rows)
        one = [({k: p[r] for k, p in parameters.items()}, {k: b[r] for k, b in self.buffers.items()}) for r in rows]
        return torch.stack([self._call(p, b, channels_last(images[row])) for row, (p, b) in enumerate(one)])

    @torch.no_grad()
    def evaluate(self, images: Tensor, labels: Tensor, parameters: State | None = None) -> tuple[Tensor, Tensor]:
        """Evaluation mode: images [N, B, ...], labels [N, B] -> summed loss [N] (float64), number correct [N].

        With `parameters` or the cohort's own.
        """
        if self.compiled:
            shared = images.stride(0) == 0 and labels.stride(0) == 0  # the same for all networks
            inputs = (images[:1] if shared else images).flatten(2).transpose(1, 2).contiguous()
            asked = (labels[:1] if shared else labels).float().contiguous()
            layers = self.compiled_layers(self.parameters if parameters is None else parameters)
            return compiled.evaluate(layers, inputs, asked)
        logits = self.logits(images, parameters)
        return example_losses(logits, labels).double().sum(1), is_right(logits, labels).sum(1)

    def differentiable_logits(self, parameters: State, images: Tensor, *, training: bool = True) -> Tensor:
        """Forward pass that autograd can follow: images [N, B, ...] -> [N, B, C], with `parameters` stacked like the
        cohort's own. Batch norm uses the statistics of the batch, unless `training` is False, and keeps none."""
        self.model.train(training)
        count, images = images.shape[1], self._align(images)
        buffers = {name: b.clone() for name, b in self.buffers.items()}
        if self.stacked:
            return vmap(self._call)(parameters, buffers, self._fill(images))[: self.size, :count]
        rows = range(self.rows)
        one = [({k: p[r] for k, p in parameters.items()}, {k: b[r] for k, b in buffers.items()}) for r in rows]
        return torch.stack([self._call(p, b, images[row]) for row, (p, b) in enumerate(one)])

    def compiled_layers(self, stack: State) -> compiled.Layers:
        """The layers of a stack as the compiled steps take them."""
        names = [name for name, _ in self.model.named_children()]
        return compiled.Layers(
            tuple(stack[f"{name}.weight"].detach() for name in names),
            tuple(stack[f"{name}.bias"].detach() for name in names),
        )

    def network(self, index: int) -> Chain:
        """One network as a plain module of its own, in evaluation mode and in fp32."""
        with torch.device("meta"):
            network = self._build()
        network.load_state_dict(self.state(index), assign=True)
        return network.eval()


def channels_last(images: Tensor) -> Tensor:
    """Images [B, channels, height, width] in the memory order in which convolutions on a CPU are faster."""
    return images.contiguous(memory_format=torch.channels_last)


def can_be_compiled(spec: NetworkSpec, *, classes: int, device: torch.device) -> bool:
    """Whether networks like this one train by the compiled steps."""
    training = spec.training
    small = isinstance(spec.architecture, MLP) and classes == 1 and training.precision == "fp32"
    plain = isinstance(training.optimizer, SGD) and training.decayed == "all" and not spec.is_regression
    return small and plain and device.type == "cpu"
