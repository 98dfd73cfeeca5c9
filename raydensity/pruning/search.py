"""The masks of the combinatorial search ("Sparsest Models Elude Pruning"): which ones, and in which order.

Pure integers: searches of millions are counted without being listed, and listed without being stored. All orders are
those of the published code (github.com/stephenqz/sparsest, combinatorial_search), so that "the first m masks" are the
same masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, islice, product

Mask = tuple[int, ...]
"""Mask of one layer: for each used unit the bits of its kept inputs (bit j set: input j kept)."""

Rows = tuple[Mask, ...]
"""Mask of a dense network: its layers from first to last, the output layer included.

The used units and inputs are the first ones of each layer: the top-left block of a weight matrix [out, in].
"""


def weights(rows: Rows) -> int:
    """Number of weights that a mask keeps."""
    return sum(row.bit_count() for layer in rows for row in layer)


def nonzeros(rows: Rows) -> int:
    """Number of weights and biases that a mask keeps.

    The bias of a hidden unit is kept if and only if the unit has an outgoing weight; output biases always are.
    """
    hidden = 0
    for layer in rows[1:]:
        outgoing = 0
        for row in layer:
            outgoing |= row
        hidden += outgoing.bit_count()
    return weights(rows) + hidden + len(rows[-1])


def structures(width: int, depth: int) -> Iterator[tuple[int, ...]]:
    """All hidden sizes (d1, ..., d_depth) with 1 to `width` units each, in lexicographic order: width^depth of them.

    Raises ValueError for a width or depth below 1.
    """
    if width < 1 or depth < 1:
        raise ValueError(f"width {width} and depth {depth} must be 1 or more")
    return product(range(1, width + 1), repeat=depth)


def structured(dims: Sequence[int], *, inputs: int = 2, outputs: int = 1) -> Rows:
    """The full mask of the structure with `dims` hidden units a layer: phase 1 of the search.

    Raises ValueError if there is no hidden layer or a size is below 1.
    """
    return tuple(_full(*shape) for shape in (*_shapes(dims, inputs, outputs), (outputs, dims[-1])))


def layer_masks(rows: int, columns: int, count: int) -> Iterator[Mask]:
    """All masks of one layer with `count` weights in which every row and every column has one, up to the order of rows.

    Rows stand in descending order of their number of weights, and among equals of their binary value, read with input
    0 as the highest digit. The masks come in the published order: by the sizes of the rows from the top, ascending;
    then by the rows from the bottom, each in descending order of its binary value. No branch is entered that holds no
    mask, so the first of very many comes at once. None for an impossible count. Raises ValueError for a size below 1.
    """
    _check(rows, columns)
    full = (1 << columns) - 1
    sizes = _row_sizes(rows, columns, count) if max(rows, columns) <= count <= rows * columns else iter(())
    return (mask for row_sizes in sizes for mask in _stacked(row_sizes, columns, (), full))


def count_layer_masks(rows: int, columns: int) -> dict[int, int]:
    """How many `layer_masks` there are by their number of weights, ascending, without listing them.

    Raises ValueError for a size below 1.
    """
    _check(rows, columns)
    return dict(_layer_counts(rows, columns))


def unstructured(
    dims: Sequence[int],
    *,
    inputs: int = 2,
    outputs: int = 1,
    budget: int | None = None,
    first: int | None = None,
) -> Iterator[Rows]:
    """All combinations of the `layer_masks` of a structure, its output layer full: phase 2 of the search.

    `budget`: only those with fewer weights than that, the output layer's not counted. `first`: only the first `first`
    masks for each number of weights of the second layer, the published cut-off; at any depth it is for that layer
    alone, so it has no effect with one hidden layer. None is exhaustive.

    Permuting the units of a hidden layer does not change a network, so sorting rows layer by layer from the first loses
    none, at the cost of some that are equal (where rows are equal, the columns of the next layer can be swapped).

    In the published order: by the weights of the first layer, of the second, ..., then by the masks of the first layer,
    of the second, ..., the last changing fastest. Lazy. Raises ValueError if there is no hidden layer, a size is below
    1 or `first` is negative.
    """
    shapes = _shapes(dims, inputs, outputs)
    limits = _limits(len(shapes), first)
    output = _full(outputs, dims[-1])
    return (
        (*masks, output)
        for counts in _weight_counts(shapes, _budget(shapes, budget))
        for masks in _combined(list(zip(shapes, counts, limits, strict=True)))
    )


def count_unstructured(
    dims: Sequence[int],
    *,
    inputs: int = 2,
    outputs: int = 1,
    budget: int | None = None,
    first: int | None = None,
) -> int:
    """How many masks `unstructured` lists with the same arguments, without listing them."""
    shapes = _shapes(dims, inputs, outputs)
    below = _budget(shapes, budget)
    by_weights = {0: 1}
    for shape, limit in zip(shapes, _limits(len(shapes), first), strict=True):
        combined: dict[int, int] = {}
        for before, number in by_weights.items():
            for count, masks in _layer_counts(*shape).items():
                kept = masks if limit is None else min(masks, limit)
                combined[before + count] = combined.get(before + count, 0) + number * kept
        by_weights = combined
    return sum(number for count, number in by_weights.items() if count < below)


@cache
def _layer_counts(rows: int, columns: int) -> dict[int, int]:
    # Inclusion and exclusion over the columns that stay empty leaves the multisets of non-empty rows to be counted:
    # `state` maps (rows so far, weights so far) to their number, and takes up the rows of each size in turn.
    total: dict[int, int] = {}
    for used in range(1, columns + 1):
        state = {(0, 0): 1}
        for size in range(1, used + 1):
            kinds = math.comb(used, size)
            larger: dict[tuple[int, int], int] = {}
            for (taken, count), number in state.items():
                for repeat in range(rows - taken + 1):
                    key = (taken + repeat, count + repeat * size)
                    larger[key] = larger.get(key, 0) + number * math.comb(kinds + repeat - 1, repeat)
            state = larger
        sign = (-1) ** (columns - used) * math.comb(columns, used)
        for (taken, count), number in state.items():
            if taken == rows:
                total[count] = total.get(count, 0) + sign * number
    return {count: total[count] for count in sorted(total) if total[count]}


def _check(*sizes: int) -> None:
    if min(sizes) < 1:
        raise ValueError(f"layer sizes {sizes} must be 1 or more")


def _shapes(dims: Sequence[int], inputs: int, outputs: int) -> list[tuple[int, int]]:
    """(rows, columns) of each layer but the output's."""
    if not dims:
        raise ValueError("a structure needs a hidden layer")
    _check(inputs, *dims, outputs)
    return list(zip(dims, (inputs, *dims), strict=False))


def _full(rows: int, columns: int) -> Mask:
    return ((1 << columns) - 1,) * rows


def _limits(layers: int, first: int | None) -> list[int | None]:
    """How many masks each layer contributes for each number of weights; None: all."""
    if first is not None and first < 0:
        raise ValueError(f"first is {first}: it must be 0 or more, or None")
    return [first if layer == 1 else None for layer in range(layers)]


def _budget(shapes: list[tuple[int, int]], budget: int | None) -> int:
    return sum(rows * columns for rows, columns in shapes) + 1 if budget is None else budget


def _weight_counts(shapes: list[tuple[int, int]], below: int) -> Iterator[tuple[int, ...]]:
    """All numbers of weights that the layers can have with a sum below `below`, in lexicographic order."""
    if not shapes:
        yield ()
        return
    (rows, columns), *rest = shapes
    least = sum(max(shape) for shape in rest)
    for count in range(max(rows, columns), min(rows * columns, below - least - 1) + 1):
        for counts in _weight_counts(rest, below - count):
            yield (count, *counts)


def _combined(layers: list[tuple[tuple[int, int], int, int | None]]) -> Iterator[Rows]:
    """All combinations of the masks of (shape, number of weights, limit) layers."""
    # itertools.product would store the masks of every layer before the first combination.
    if not layers:
        yield ()
        return
    (shape, count, limit), *rest = layers
    for mask in islice(layer_masks(*shape, count), limit):
        for masks in _combined(rest):
            yield (mask, *masks)


def _row_sizes(rows: int, most: int, count: int) -> Iterator[tuple[int, ...]]:
    """All descending sums of `count` with `rows` terms from 1 to `most`, in lexicographic order."""
    if rows == 1:
        yield (count,)
        return
    for size in range(math.ceil(count / rows), min(most, count - rows + 1) + 1):
        for sizes in _row_sizes(rows - 1, size, count - size):
            yield (size, *sizes)


def _stacked(sizes: tuple[int, ...], columns: int, below: Mask, uncovered: int) -> Iterator[Mask]:
    """All completions of the rows `below` with rows of `sizes` on top, covering the columns `uncovered`."""
    if not sizes:
        yield below
        return
    above, size = sizes[:-1], sizes[-1]
    # Combinations of columns in their order are rows in descending order of the binary value.
    for row in map(sum, combinations([1 << column for column in range(columns)], size)):
        left = uncovered & ~row
        if _coverable(left, above, row):
            yield from _stacked(above, columns, (row, *below), left)
        if below and row == below[0]:
            return


def _coverable(uncovered: int, above: tuple[int, ...], row: int) -> bool:
    """Whether rows of the sizes `above` on top of `row`, sorted as in `layer_masks`, can cover the columns `uncovered`.

    Larger rows are free. One as large as `row` but other than it agrees with it up to a column of its own, where `row`
    has a gap: the earlier that pivot, the more of the columns behind it are free, and in the first gap most are, all
    but the leading ones and the pivot. The pivot covers a column too, if it is uncovered and no other row's pivot.
    """
    size = row.bit_count()
    equal = above.count(size)
    missing = uncovered.bit_count() - (sum(above) - equal * size)
    if missing <= 0:
        return True
    leading = (~row & (row + 1)).bit_length() - 1
    if leading == size:  # `row` is the largest of its size: those above repeat it
        return False
    behind = row >> leading
    gap_end = leading + (behind & -behind).bit_length() - 1
    pivots = (uncovered & ((1 << gap_end) - 1)).bit_count()
    return missing <= equal * (size - leading - 1) + min(equal, pivots)
