"""Passes of stacked dense networks with one hidden layer and few inputs, compiled; what they make stays in the cache.

Libraries take three times as long for such products: a sum of ten numbers is over before it is under way. Each network
is computed by itself, four images at a time, so that results do not depend on the packing.

Shapes: R networks, B images, I inputs, O hidden units, C classes. Inside, what is fewer than a multiple of four is
filled up with zeros.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raydensity.compiled import ONE, ZERO, F, jit

MOST_INPUTS = 64  # with more the libraries' products are as fast


class Shallow(NamedTuple):
    """Parameters, or their gradients: hidden [R, I, O], hidden_bias [R, O], output [R, O, C], output_bias [R, C]."""

    hidden: Tensor
    hidden_bias: Tensor
    output: Tensor
    output_bias: Tensor

    def arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """The same memory."""
        return self.hidden.numpy(), self.hidden_bias.numpy(), self.output.numpy(), self.output_bias.numpy()


def gradients(parameters: Shallow, x: Tensor, labels: Tensor, into: Shallow) -> tuple[Tensor, Tensor]:
    """One pass over x [R, B', I], labels [R, B], B' >= B: mean cross-entropy [R] and number correct [R].

    The gradient of each network's mean loss is written into `into`.
    """
    losses, correct = np.empty(len(x), np.float32), np.empty(len(x), np.int64)
    _gradients(*parameters.arrays(), x.numpy(), labels.numpy(), *into.arrays(), losses, correct)
    return torch.from_numpy(losses), torch.from_numpy(correct)


def logits(parameters: Shallow, x: Tensor) -> Tensor:
    """Forward pass: x [R, B, I] -> [R, B, C]."""
    results = np.empty((*x.shape[:2], parameters.output.shape[2]), np.float32)
    _logits(*parameters.arrays(), x.numpy(), results)
    return torch.from_numpy(results)


@jit
def _fours(count):
    return -(-count // 4) * 4


@jit
def _add_products(into, rows, factors):
    """into[j] += the sum of factors[j, k] * rows[k], four rows each."""
    f00, f01, f02, f03 = factors[0, 0], factors[0, 1], factors[0, 2], factors[0, 3]
    f10, f11, f12, f13 = factors[1, 0], factors[1, 1], factors[1, 2], factors[1, 3]
    f20, f21, f22, f23 = factors[2, 0], factors[2, 1], factors[2, 2], factors[2, 3]
    f30, f31, f32, f33 = factors[3, 0], factors[3, 1], factors[3, 2], factors[3, 3]
    i0, i1, i2, i3 = into[0], into[1], into[2], into[3]
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    for o in range(i0.shape[0]):
        w0, w1, w2, w3 = r0[o], r1[o], r2[o], r3[o]
        i0[o] += (f00 * w0 + f01 * w1) + (f02 * w2 + f03 * w3)
        i1[o] += (f10 * w0 + f11 * w1) + (f12 * w2 + f13 * w3)
        i2[o] += (f20 * w0 + f21 * w1) + (f22 * w2 + f23 * w3)
        i3[o] += (f30 * w0 + f31 * w1) + (f32 * w2 + f33 * w3)


@jit
def _load(hidden, output, x, w, turned, images):
    """A network's weights and images with zeros up to whole fours, and its output weights transposed."""
    w[: hidden.shape[0]] = hidden
    images[: x.shape[0], : x.shape[1]] = x
    for c in range(output.shape[1]):
        for o in range(output.shape[0]):
            turned[c, o] = output[o, c]


@jit
def _relu(row):
    for o in range(row.shape[0]):
        row[o] = ZERO if row[o] <= ZERO else row[o]  # so that what is not a number stays so


@jit
def _relu_back(row, unit, total):
    for o in range(row.shape[0]):
        g = ZERO if unit[o] <= ZERO else row[o]
        row[o] = g
        total[o] += g


@jit
def _forward(w, bias, turned, output_bias, images, start, units, logit):
    """Outputs of the hidden units [4, O] and logits [4, C] of four images."""
    for image in range(4):
        units[image, :] = bias
    for i in range(0, w.shape[0], 4):
        _add_products(units, w[i : i + 4], images[start : start + 4, i : i + 4])
    for image in range(4):
        _relu(units[image])
    u0, u1, u2, u3 = units[0], units[1], units[2], units[3]
    for c in range(logit.shape[1]):
        s0, s1, s2, s3, row = ZERO, ZERO, ZERO, ZERO, turned[c]
        for o in range(u0.shape[0]):
            w0 = row[o]
            s0 += u0[o] * w0
            s1 += u1[o] * w0
            s2 += u2[o] * w0
            s3 += u3[o] * w0
        logit[0, c], logit[1, c] = s0 + output_bias[c], s1 + output_bias[c]
        logit[2, c], logit[3, c] = s2 + output_bias[c], s3 + output_bias[c]


@jit
def _loss(logit, label, inverse, delta):
    """Loss of an image, and whether it is right; delta [C] becomes the gradient by its logits, times inverse."""
    best = 0
    for c in range(1, logit.shape[0]):
        if logit[c] > logit[best]:
            best = c
    largest, total = logit[best], ZERO
    for c in range(logit.shape[0]):
        delta[c] = math.exp(logit[c] - largest)
        total += delta[c]
    for c in range(logit.shape[0]):
        delta[c] *= inverse / total
    delta[label] -= inverse
    return math.log(total) - (logit[label] - largest), best == label


@jit
def _gradients(
    hidden,
    hidden_bias,
    output,
    output_bias,
    x,
    labels,
    d_hidden,
    d_hidden_bias,
    d_output,
    d_output_bias,
    losses,
    correct,
):
    inputs, width, classes, batch = hidden.shape[1], hidden.shape[2], output.shape[2], labels.shape[1]
    padded, count, outputs = _fours(inputs), _fours(batch), _fours(classes)
    w, dw, images = np.zeros((padded, width), F), np.zeros((padded, width), F), np.zeros((count, padded), F)
    turned, d_turned = np.zeros((outputs, width), F), np.zeros((outputs, width), F)
    units, below = np.zeros((4, width), F), np.zeros((4, width), F)
    logit, delta = np.zeros((4, classes), F), np.zeros((4, outputs), F)
    inverse = ONE / F(batch)
    for network in range(hidden.shape[0]):
        _load(hidden[network], output[network], x[network, :batch], w, turned, images)
        d_bias = d_hidden_bias[network]
        dw[:], d_turned[:], d_bias[:], d_output_bias[network] = ZERO, ZERO, ZERO, ZERO
        loss, right = 0.0, 0
        for start in range(0, count, 4):
            _forward(w, hidden_bias[network], turned, output_bias[network], images, start, units, logit)
            delta[:] = ZERO
            for image in range(min(4, batch - start)):
                one, good = _loss(logit[image], labels[network, start + image], inverse, delta[image])
                loss += one
                right += good
                for c in range(classes):
                    d_output_bias[network, c] += delta[image, c]
            below[:] = ZERO
            for c in range(0, outputs, 4):
                part = delta[:, c : c + 4]
                _add_products(below, turned[c : c + 4], part)
                _add_products(d_turned[c : c + 4], units, part.T)
            for image in range(4):
                _relu_back(below[image], units[image], d_bias)
            for i in range(0, padded, 4):
                _add_products(dw[i : i + 4], below, images[start : start + 4, i : i + 4].T)
        d_hidden[network] = dw[:inputs]
        for c in range(classes):
            for o in range(width):
                d_output[network, o, c] = d_turned[c, o]
        losses[network], correct[network] = loss * inverse, right


@jit
def _logits(hidden, hidden_bias, output, output_bias, x, results):
    inputs, width, classes, batch = hidden.shape[1], hidden.shape[2], output.shape[2], x.shape[1]
    padded, count = _fours(inputs), _fours(batch)
    w, images, turned = np.zeros((padded, width), F), np.zeros((count, padded), F), np.zeros((classes, width), F)
    units, logit = np.zeros((4, width), F), np.zeros((4, classes), F)
    for network in range(hidden.shape[0]):
        _load(hidden[network], output[network], x[network], w, turned, images)
        for start in range(0, count, 4):
            _forward(w, hidden_bias[network], turned, output_bias[network], images, start, units, logit)
            for image in range(min(4, batch - start)):
                results[network, start + image] = logit[image]
