"""Whole training steps of small dense networks on a CPU core, compiled: each network by itself, all in its cache.

Libraries spend more time between the products of such networks than in them. Here a network is a graph of its units and
kept weights: what is masked costs nothing, units that do not reach the output are left out, and a network of any mask
takes the same code path wherever it stands in the stack, so that results do not depend on the packing.

ReLU between layers, one logit, gradient descent with momentum and weight decay as in torch.optim.SGD. Tests hold it to
autograd, to rounding.

Shapes: N networks, L layers, O outputs and I inputs of a layer, S steps, B images a batch, G batch orders. Stacks are
tuples of L arrays: weights [N, O, I], biases [N, O].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TILE = 512  # images that are evaluated at a time: their activations stay in the cache

# As `fastmath=True`, but what is not finite must be seen to be so.
jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
F = np.float32
ZERO, ONE = F(0), F(1)


class Layers(NamedTuple):
    """One tensor a layer: weights [N, O, I] and biases [N, O], of parameters or of anything stacked like them."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def arrays(self) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
        """The same memory as NumPy arrays, masks as bytes."""

        def view(tensor: Tensor) -> NDArray:
            assert tensor.is_contiguous()
            return (tensor.view(torch.uint8) if tensor.dtype == torch.bool else tensor).detach().numpy()

        return tuple(map(view, self.weights)), tuple(map(view, self.biases))


def descend(
    parameters: Layers,
    momenta: Layers,
    masks: Layers,
    *,
    images: Tensor,
    labels: Tensor,
    order: Tensor,
    rates: Tensor,
    momentum: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor]:
    """S steps of gradient descent in place, for every network: images [G, S, I, B], labels [G, S, B] (float32).

    `order` [N] says which of the G a network sees, `rates` [N] (float32) are the learning rates. What is masked (False)
    must be zero, and stays so. Returns the sums over steps of each network's mean loss [N] (float64) and of its number
    correct [N], both before each step.
    """
    losses, correct = np.zeros(len(rates)), np.zeros(len(rates), dtype=np.int64)
    _descend(
        *parameters.arrays(),
        *momenta.arrays(),
        *masks.arrays(),
        images.numpy(),
        labels.numpy(),
        order.numpy(),
        rates.numpy(),
        F(momentum),
        F(weight_decay),
        losses,
        correct,
    )
    return torch.from_numpy(losses), torch.from_numpy(correct)


def gradients(parameters: Layers, into: Layers, *, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of each network's mean loss by all its parameters, those that are zero included.

    images [N or 1, I, B], labels [N or 1, B] (float32) -> mean loss [N] (float64), number correct [N].
    """
    count = len(parameters.weights[0])
    losses, correct = np.zeros(count), np.zeros(count, dtype=np.int64)
    _gradients(*parameters.arrays(), *into.arrays(), images.numpy(), labels.numpy(), losses, correct)
    return torch.from_numpy(losses), torch.from_numpy(correct)


def logits(parameters: Layers, images: Tensor) -> Tensor:
    """Forward pass: images [N or 1, I, V] -> [N, V]. Weights that are zero cost nothing."""
    results = np.empty((len(parameters.weights[0]), images.shape[2]), dtype=np.float32)
    _logits(*parameters.arrays(), images.numpy(), results)
    return torch.from_numpy(results)


def evaluate(parameters: Layers, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Forward pass alone: images [N or 1, I, V], labels [N or 1, V] (float32) -> summed loss [N] (float64), number
    correct [N]. Nothing as large as the logits is ever in memory."""
    count = len(parameters.weights[0])
    losses, correct = np.zeros(count), np.zeros(count, dtype=np.int64)
    _evaluate(*parameters.arrays(), images.numpy(), labels.numpy(), losses, correct)
    return torch.from_numpy(losses), torch.from_numpy(correct)


# A network as a graph ------------------------------------------------------------------------------------------------


@jit
def _live_units(masks, network, live):
    """Mark the units from which kept weights lead to the output: live [L, units], the outputs' layer last."""
    layers = len(masks)
    live[:] = False
    live[layers - 1, : masks[layers - 1].shape[1]] = True
    for layer in range(layers - 2, -1, -1):
        above = masks[layer + 1][network]
        for target in range(above.shape[0]):
            if live[layer + 1, target]:
                for unit in range(above.shape[1]):
                    if above[target, unit]:
                        live[layer, unit] = True


@jit
def _graph(masks, weights, biases, network, live, graph):
    """Fill a graph's arrays with one network's live units, in the order of layers; returns how many nodes and edges.

    Nodes are the inputs, then the live units. The edges into node u are first[u] ... first[u + 1] - 1, each with its
    source and value.
    """
    first, source, value, bias, node = graph
    inputs = masks[0].shape[2]
    nodes, edges = inputs, 0
    first[: inputs + 1] = 0
    for layer in range(len(masks)):
        mask, weight = masks[layer][network], weights[layer][network]
        for unit in range(mask.shape[0]):
            if live[layer, unit]:
                for below in range(mask.shape[1]):
                    if mask[unit, below] and (layer == 0 or live[layer - 1, below]):
                        source[edges] = below if layer == 0 else node[layer - 1, below]
                        value[edges] = weight[unit, below]
                        edges += 1
                node[layer, unit] = nodes
                bias[nodes] = biases[layer][network, unit]
                nodes += 1
                first[nodes] = edges
    return nodes, edges


@jit
def _sizes(weights):
    """Of a network with all its weights: inputs, nodes, edges, and units of the widest layer."""
    inputs = weights[0].shape[2]
    nodes, edges, widest = inputs, 0, 0
    for layer in range(len(weights)):
        nodes += weights[layer].shape[1]
        edges += weights[layer].shape[1] * weights[layer].shape[2]
        widest = max(widest, weights[layer].shape[1])
    return inputs, nodes, edges, widest


@jit
def _new_graph(weights):
    """Arrays for the graph of any of the networks: first, source, value, bias, node."""
    _, nodes, edges, widest = _sizes(weights)
    return (
        np.zeros(nodes + 1, np.int32),
        np.zeros(edges, np.int32),
        np.zeros(edges, F),
        np.zeros(nodes, F),
        np.zeros((len(weights), widest), np.int32),
    )


# Passes over a graph -------------------------------------------------------------------------------------------------


@jit
def _weighted_sum(into, start, rows, which, factors, begin, end):
    """into = start + the sum of factors[e] * rows[which[e]] for e from begin to end."""
    length = into.shape[0]
    for k in range(length):
        into[k] = start
    e = begin
    while e + 4 <= end:
        f0, f1, f2, f3 = factors[e], factors[e + 1], factors[e + 2], factors[e + 3]
        r0, r1, r2, r3 = rows[which[e]], rows[which[e + 1]], rows[which[e + 2]], rows[which[e + 3]]
        for k in range(length):
            into[k] += (f0 * r0[k] + f1 * r1[k]) + (f2 * r2[k] + f3 * r3[k])
        e += 4
    while e < end:
        f0, r0 = factors[e], rows[which[e]]
        for k in range(length):
            into[k] += f0 * r0[k]
        e += 1


@jit
def _forward(first, source, value, bias, inputs, nodes, output):
    """Outputs of all nodes [nodes, B] after ReLU, but for the last, the logit; the inputs' rows are given."""
    length = output.shape[1]
    for u in range(inputs, nodes):
        row = output[u]
        _weighted_sum(row, bias[u], output, source, value, first[u], first[u + 1])
        if u < nodes - 1:
            for k in range(length):
                row[k] = ZERO if row[k] <= ZERO else row[k]  # so that what is not a number stays so


@jit
def _loss(logit, label, delta, exponential, bits, powers):
    """Mean loss and number correct of a batch; delta is the gradient of the mean loss by the logits, all [B].

    `exponential` is room, and so is `bits` (int32), the same memory as `powers` (float32).
    """
    logarithms, linear, right = 0.0, ZERO, 0
    inverse = ONE / F(logit.shape[0])
    for start in range(0, logit.shape[0], TILE):
        part = slice(start, start + TILE)
        product, own, good = _loss_of_part(
            logit[part], label[part], delta[part], exponential[part], bits[part], powers[part], inverse
        )
        logarithms += math.log(product)
        linear += own
        right += good
    mean = (logarithms + linear) * inverse
    # The bits have no room for what is not finite; linear keeps it.
    return (mean if linear - linear == ZERO else linear), right


@jit
def _loss_of_part(logit, label, delta, exponential, bits, powers, inverse):
    """The loss in two sums: one of logarithms, as their product (factors of at most 2), and the rest."""
    length = logit.shape[0]
    # exp(-|logit|) as 2^n times a polynomial (Cephes), written so that it is computed for many images at once.
    for k in range(length):
        x = max(-abs(logit[k]), F(-87))
        n = np.floor(x * F(1.44269504088896341) + F(0.5))
        r = x - n * F(0.693359375) + n * F(2.12194440e-4)
        p = F(1.9875691500e-4)
        p = p * r + F(1.3981999507e-3)
        p = p * r + F(8.3334519073e-3)
        p = p * r + F(4.1665795894e-2)
        p = p * r + F(1.6666665459e-1)
        p = p * r + F(5.0000001201e-1)
        exponential[k] = p * r * r + r + ONE
        bits[k] = (np.int32(n) + np.int32(127)) << np.int32(23)
    product, linear, right = 1.0, ZERO, 0
    for k in range(length):
        z, y = logit[k], label[k]
        e = exponential[k] * powers[k]
        product *= ONE + e
        linear += max(z, ZERO) - z * y
        delta[k] = ((ONE if z >= ZERO else e) / (ONE + e) - y) * inverse
        right += (z > ZERO) == (y > F(0.5))
    return product, linear, right


@jit
def _dot4(delta, rows, which, e, into):
    r0, r1, r2, r3 = rows[which[e]], rows[which[e + 1]], rows[which[e + 2]], rows[which[e + 3]]
    s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
    for k in range(delta.shape[0]):
        d = delta[k]
        s0 += d * r0[k]
        s1 += d * r1[k]
        s2 += d * r2[k]
        s3 += d * r3[k]
    into[e], into[e + 1], into[e + 2], into[e + 3] = s0, s1, s2, s3


@jit
def _dot(delta, row):
    total = ZERO
    for k in range(delta.shape[0]):
        total += delta[k] * row[k]
    return total


# Training ------------------------------------------------------------------------------------------------------------


@jit
def _descend(
    weights,
    biases,
    weight_momenta,
    bias_momenta,
    weight_masks,
    bias_masks,
    images,
    labels,
    order,
    rates,
    momentum,
    weight_decay,
    losses,
    correct,
):
    inputs, most_nodes, most_edges, widest = _sizes(weights)
    layers, steps, batch = len(weights), images.shape[1], images.shape[3]
    graph, speeds = _new_graph(weights), _new_graph(weights)
    first, source, value, bias, _ = graph
    value_speed, bias_speed = speeds[2], speeds[3]
    trained = np.zeros(most_nodes, np.bool_)  # whether a node has a bias
    above, target, back = np.zeros(most_nodes + 1, np.int32), np.zeros(most_edges, np.int32), np.zeros(most_edges, F)
    edge = np.zeros(most_edges, np.int32)
    gradient = np.zeros(most_edges, F)
    live = np.zeros((layers, widest), np.bool_)
    output, delta = np.zeros((most_nodes, batch), F), np.zeros((most_nodes, batch), F)
    exponential, bits = np.zeros(batch, F), np.zeros(batch, np.int32)
    powers = bits.view(np.float32)
    for network in range(len(rates)):
        rate = rates[network]
        _live_units(weight_masks, network, live)
        nodes, edges = _graph(weight_masks, weights, biases, network, live, graph)
        _graph(weight_masks, weight_momenta, bias_momenta, network, live, speeds)
        position = inputs
        for layer in range(layers):
            for unit in range(bias_masks[layer].shape[1]):
                if live[layer, unit]:
                    trained[position] = bias_masks[layer][network, unit] != 0
                    position += 1
        _reverse(first, source, nodes, edges, above, target, edge)
        x, y = images[order[network]], labels[order[network]]
        total, right = 0.0, 0
        for step in range(steps):
            for node in range(inputs):
                output[node, :] = x[step, node]
            _forward(first, source, value, bias, inputs, nodes, output)
            mean, good = _loss(output[nodes - 1], y[step], delta[nodes - 1], exponential, bits, powers)
            total += mean
            right += good
            for e in range(edges):
                back[e] = value[edge[e]]
            for u in range(nodes - 1, inputs - 1, -1):
                row = delta[u]
                if u < nodes - 1:
                    _weighted_sum(row, ZERO, delta, target, back, above[u], above[u + 1])
                    active = output[u]
                    for k in range(batch):
                        row[k] = ZERO if active[k] <= ZERO else row[k]
                e, end = first[u], first[u + 1]
                while e + 4 <= end:
                    _dot4(row, output, source, e, gradient)
                    e += 4
                while e < end:
                    gradient[e] = _dot(row, output[source[e]])
                    e += 1
                if trained[u]:
                    g = ZERO
                    for k in range(batch):
                        g += row[k]
                    bias_speed[u] = momentum * bias_speed[u] + (g + weight_decay * bias[u])
                    bias[u] -= rate * bias_speed[u]
            for e in range(edges):
                value_speed[e] = momentum * value_speed[e] + (gradient[e] + weight_decay * value[e])
                value[e] -= rate * value_speed[e]
        losses[network], correct[network] = total, right
        decay = (rate, momentum, weight_decay, steps)
        _write_back(weights, weight_momenta, weight_masks, network, live, value, value_speed, decay)
        position = inputs
        for layer in range(layers):
            for unit in range(bias_masks[layer].shape[1]):
                if live[layer, unit]:
                    biases[layer][network, unit] = bias[position]
                    bias_momenta[layer][network, unit] = bias_speed[position]
                    position += 1
                elif bias_masks[layer][network, unit]:
                    biases[layer][network, unit], bias_momenta[layer][network, unit] = _decay(
                        biases[layer][network, unit], bias_momenta[layer][network, unit], decay
                    )


@jit
def _reverse(first, source, nodes, edges, above, target, edge):
    """The edges out of each node: above[u] ... above[u + 1] - 1, each with its target and its place among the edges."""
    above[: nodes + 1] = 0
    for e in range(edges):
        above[source[e] + 1] += 1
    for u in range(nodes):
        above[u + 1] += above[u]
    for u in range(nodes):
        for e in range(first[u], first[u + 1]):
            place = above[source[e]]
            target[place], edge[place] = u, e
            above[source[e]] += 1
    for u in range(nodes, 0, -1):
        above[u] = above[u - 1]
    above[0] = 0


@jit
def _decay(value, speed, decay):
    """What steps without a gradient make of a parameter and its momentum: it does not reach the output."""
    rate, momentum, weight_decay, steps = decay
    for _ in range(steps):
        speed = momentum * speed + weight_decay * value
        value -= rate * speed
    return value, speed


@jit
def _write_back(weights, weight_momenta, masks, network, live, value, speed, decay):
    """The edges of one network back into the stack, in the order of `_graph`; the rest of its weights decays."""
    e = 0
    for layer in range(len(masks)):
        mask, weight, moving = masks[layer][network], weights[layer][network], weight_momenta[layer][network]
        for unit in range(mask.shape[0]):
            for below in range(mask.shape[1]):
                if not mask[unit, below]:
                    continue
                if live[layer, unit]:  # and so is the unit below, since this weight leads to it
                    weight[unit, below], moving[unit, below] = value[e], speed[e]
                    e += 1
                else:
                    weight[unit, below], moving[unit, below] = _decay(weight[unit, below], moving[unit, below], decay)


@jit
def _gradients(weights, biases, weight_gradients, bias_gradients, images, labels, losses, correct):
    inputs, nodes, edges, _ = _sizes(weights)
    batch, layers = images.shape[2], len(weights)
    first, source, value, bias, node = _new_graph(weights)
    output, delta = np.zeros((nodes, batch), F), np.zeros((nodes, batch), F)
    exponential, bits = np.zeros(batch, F), np.zeros(batch, np.int32)
    powers = bits.view(np.float32)
    above, target, edge = np.zeros(nodes + 1, np.int32), np.zeros(edges, np.int32), np.zeros(edges, np.int32)
    back = np.zeros(edges, F)
    reversed_edges = False
    for network in range(len(losses)):
        _graph_of_all(weights, biases, network, (first, source, value, bias, node))
        if not reversed_edges:  # the same for every network
            _reverse(first, source, nodes, edges, above, target, edge)
            reversed_edges = True
        own = min(network, len(images) - 1)
        output[:inputs] = images[own]
        _forward(first, source, value, bias, inputs, nodes, output)
        losses[network], correct[network] = _loss(
            output[nodes - 1], labels[own], delta[nodes - 1], exponential, bits, powers
        )
        for e in range(edges):
            back[e] = value[edge[e]]
        u = nodes - 1
        for layer in range(layers - 1, -1, -1):
            for unit in range(weights[layer].shape[1] - 1, -1, -1):
                row = delta[u]
                if u < nodes - 1:
                    _weighted_sum(row, ZERO, delta, target, back, above[u], above[u + 1])
                    active = output[u]
                    for k in range(batch):
                        row[k] = ZERO if active[k] <= ZERO else row[k]
                begin = first[u]
                for below in range(weights[layer].shape[2]):
                    weight_gradients[layer][network, unit, below] = _dot(row, output[source[begin + below]])
                total = ZERO
                for k in range(batch):
                    total += row[k]
                bias_gradients[layer][network, unit] = total
                u -= 1


@jit
def _graph_of_all(weights, biases, network, graph):
    """As `_graph`, with all units and weights."""
    first, source, value, bias, _ = graph
    nodes, edges, below_layer = weights[0].shape[2], 0, 0
    first[: nodes + 1] = 0
    for layer in range(len(weights)):
        weight = weights[layer][network]
        for unit in range(weight.shape[0]):
            for below in range(weight.shape[1]):
                source[edges] = below_layer + below
                value[edges] = weight[unit, below]
                edges += 1
            bias[nodes] = biases[layer][network, unit]
            nodes += 1
            first[nodes] = edges
        below_layer = nodes - weight.shape[0]


@jit
def _logits_of_tile(graph, inputs, nodes, images, start, part):
    """Logits of one network for its images [I, V] from `start` on, as many as `part` [nodes, tile] has room for."""
    first, source, value, bias, _ = graph
    for node in range(inputs):
        part[node, :] = images[node, start : start + part.shape[1]]
    _forward(first, source, value, bias, inputs, nodes, part)
    return part[nodes - 1]


@jit
def _logits(weights, biases, images, results):
    inputs, most_nodes, _, widest = _sizes(weights)
    graph = _new_graph(weights)
    live = np.zeros((len(weights), widest), np.bool_)
    count = images.shape[2]
    # Both whole arrays: rows of a slice would not be known to be contiguous, and would not be vectorised.
    whole, rest = np.zeros((most_nodes, TILE), F), np.zeros((most_nodes, count % TILE), F)
    for network in range(results.shape[0]):
        _live_units(weights, network, live)
        nodes, _ = _graph(weights, weights, biases, network, live, graph)
        own = min(network, len(images) - 1)
        for start in range(0, count, TILE):
            length = min(TILE, count - start)
            part = whole if length == TILE else rest
            results[network, start : start + length] = _logits_of_tile(graph, inputs, nodes, images[own], start, part)


@jit
def _evaluate(weights, biases, images, labels, losses, correct):
    inputs, most_nodes, _, widest = _sizes(weights)
    graph = _new_graph(weights)
    live = np.zeros((len(weights), widest), np.bool_)
    count = images.shape[2]
    whole, rest = np.zeros((most_nodes, TILE), F), np.zeros((most_nodes, count % TILE), F)
    room, bits = np.empty((2, TILE), F), np.empty(TILE, np.int32)
    powers = bits.view(np.float32)
    for network in range(len(losses)):
        _live_units(weights, network, live)
        nodes, _ = _graph(weights, weights, biases, network, live, graph)
        own, asked = min(network, len(images) - 1), labels[min(network, len(labels) - 1)]
        for start in range(0, count, TILE):
            length = min(TILE, count - start)
            part = whole if length == TILE else rest
            logit = _logits_of_tile(graph, inputs, nodes, images[own], start, part)
            mean, right = _loss(logit, asked[start : start + length], room[0], room[1], bits, powers)
            losses[network] += mean * length
            correct[network] += right
