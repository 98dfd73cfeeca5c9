import time
from collections import Counter
from itertools import islice, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydensity.pruning.search import (
    count_layer_masks,
    count_unstructured,
    layer_masks,
    nonzeros,
    structured,
    structures,
    unstructured,
    weights,
)

SEARCH_95 = {"dims": (3, 3, 3)}
SEARCH_995 = {"dims": (7, 3, 3), "budget": 33, "first": 3}
FIXED_95 = {"dims": (3, 2, 2)}
FIXED_995 = {"dims": (6, 3, 2), "budget": 31, "first": 6}
SCHEDULES = 3
LEARNING_RATES = 2


def binary(row, columns):
    """Binary value of a row with input 0 as the highest digit."""
    return int("".join(str(row >> column & 1) for column in range(columns)), 2)


def canonical(rows, columns):
    return tuple(sorted(rows, key=lambda row: (-row.bit_count(), -binary(row, columns))))


def brute_force(rows, columns):
    """Canonical forms of all 0/1 matrices without an empty row or column."""
    matrices = product(range(1, 1 << columns), repeat=rows)
    covered = (mask for mask in matrices if all(any(row >> column & 1 for row in mask) for column in range(columns)))
    return {canonical(mask, columns) for mask in covered}


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (3, 2, {3: 2, 4: 3, 5: 2, 6: 1}),
        (3, 3, {3: 1, 4: 9, 5: 18, 6: 16, 7: 9, 8: 3, 9: 1}),
        (7, 2, {7: 6, 8: 7, 9: 6, 10: 5, 11: 4, 12: 3, 13: 2, 14: 1}),
        (2, 3, {3: 3, 4: 6, 5: 3, 6: 1}),
        (2, 2, {2: 1, 3: 2, 4: 1}),
    ],
)
def test_published_counts_of_layer_masks(rows, columns, expected):
    assert count_layer_masks(rows, columns) == expected
    listed = {count: len(list(layer_masks(rows, columns, count))) for count in range(rows * columns + 1)}
    assert {count: number for count, number in listed.items() if number} == expected


def test_published_counts_of_3_rows_and_7_columns():
    counts = count_layer_masks(3, 7)
    assert list(counts) == list(range(7, 22))
    assert (counts[7], counts[8], counts[21]) == (301, 2331, 1)


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 4))
def test_layer_masks_are_all_matrices_up_to_the_order_of_rows(rows, columns):
    expected = brute_force(rows, columns)
    listed = [mask for count in range(rows * columns + 2) for mask in layer_masks(rows, columns, count)]
    assert len(listed) == len(set(listed))
    assert set(listed) == expected
    sizes = Counter(sum(row.bit_count() for row in mask) for mask in expected)
    assert count_layer_masks(rows, columns) == sizes


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 6), st.data())
def test_counts_agree_with_the_lists(rows, columns, draw):
    counts = count_layer_masks(rows, columns)
    count = draw.draw(st.sampled_from([count for count, number in counts.items() if number < 30_000]))
    assert sum(1 for _ in layer_masks(rows, columns, count)) == counts[count]


def test_layer_masks_come_in_the_published_order():
    # From the published code's get_all_valid_supp, its rows [1, 0, 0] written as bits (input 0 is bit 0).
    assert list(layer_masks(3, 2, 4)) == [(3, 1, 1), (3, 1, 2), (3, 2, 2)]
    assert list(islice(layer_masks(3, 3, 4), 6)) == [(6, 1, 1), (5, 1, 2), (6, 1, 2), (5, 2, 2), (3, 1, 4), (6, 1, 4)]
    assert list(islice(layer_masks(3, 7, 7), 3)) == [(112, 9, 6), (104, 17, 6), (88, 33, 6)]
    assert list(islice(layer_masks(3, 7, 12), 3)) == [(39, 71, 27), (23, 71, 43), (71, 27, 43)]
    assert list(islice(layer_masks(3, 6, 9), 3)) == [(19, 35, 13), (11, 35, 21), (35, 13, 21)]


def test_a_small_search_in_full():
    assert list(unstructured((1, 2))) == [
        ((3,), (1, 1), (3,)),
    ]
    assert list(unstructured((2,))) == [
        ((1, 2), (3,)),
        ((3, 1), (3,)),
        ((3, 2), (3,)),
        ((3, 3), (3,)),
    ]


@pytest.mark.parametrize(
    ("search", "number", "fewest", "most"),
    [(SEARCH_95, 25_992, 22, 37), (SEARCH_995, 63_208, 34, 49), (FIXED_95, 416, 18, 26), (FIXED_995, 23_528, 29, 44)],
)
def test_published_searches(search, number, fewest, most):
    listed = list(unstructured(**search))
    assert len(listed) == len(set(listed)) == count_unstructured(**search) == number
    sizes = {nonzeros(rows) for rows in listed}
    assert (min(sizes), max(sizes)) == (fewest, most)


def phase_1(below):
    return sum(nonzeros(structured(dims)) < below for dims in structures(16, 3))


def test_structures_of_phase_1():
    listed = list(structures(16, 3))
    assert len(listed) == len(set(listed)) == 4096
    assert listed == sorted(listed)
    assert (phase_1(37), phase_1(61)) == (93, 339)


@pytest.mark.parametrize(("dims", "expected"), [((3, 3, 3), 37), ((3, 2, 2), 26), ((7, 3, 3), 61), ((6, 3, 2), 50)])
def test_nonzeros_of_published_structures(dims, expected):
    assert nonzeros(structured(dims)) == expected


@given(st.lists(st.integers(1, 16), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 4))
def test_nonzeros_of_structures_by_formula(dims, inputs, outputs):
    sizes = [inputs, *dims, outputs]
    rows = structured(dims, inputs=inputs, outputs=outputs)
    assert weights(rows) == sum(a * b for a, b in pairwise(sizes))
    assert nonzeros(rows) == weights(rows) + sum(dims) + outputs


def test_the_bias_of_a_unit_without_outgoing_weight_is_not_counted():
    # 2 inputs, 3 hidden units, the last of them without outgoing weight, 2 outputs, the last without incoming weight.
    assert nonzeros(((1, 3, 2), (3, 0))) == (4 + 2) + 2 + 2


def test_published_totals():
    methods, settings_of_pruning, repeats = 9, 3 * SCHEDULES, 5
    pruned_95 = methods * settings_of_pruning * len((3, 16)) * len(range(15, 27)) * repeats
    pruned_995 = methods * settings_of_pruning * len((6, 16)) * 14 * repeats
    assert (pruned_95, pruned_995) == (9_720, 11_340)

    fixed_95 = phase_1(37) * LEARNING_RATES * SCHEDULES + count_unstructured(**FIXED_95) * LEARNING_RATES * SCHEDULES
    fixed_995 = phase_1(61) * LEARNING_RATES * SCHEDULES + count_unstructured(**FIXED_995) * SCHEDULES
    assert (fixed_95 + pruned_95, fixed_995 + pruned_995) == (12_774, 83_958)

    final_weights = [*range(15, 27), 30, 33, 37, 40, 44, 50, 53, 55, 57, 60, 65]
    widths = [3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 256]
    per_setting = sum(final < weights(structured((width,) * 3)) for width in widths for final in final_weights)
    overparametrised = methods * settings_of_pruning * per_setting
    assert overparametrised == 18_954

    random = (
        overparametrised
        + 16**3 * LEARNING_RATES * SCHEDULES
        + count_unstructured(**SEARCH_95) * LEARNING_RATES * SCHEDULES
        + count_unstructured(**SEARCH_995) * SCHEDULES
    )
    assert random == 389_106
    assert random + fixed_95 + pruned_95 + fixed_995 + pruned_995 == 485_838


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.none() | st.integers(0, 25),
    st.none() | st.integers(0, 4),
)
def test_unstructured_is_the_product_of_the_layers(dims, inputs, outputs, budget, first):
    layers = []
    for layer, (rows, columns) in enumerate(zip(dims, [inputs, *dims], strict=False)):
        limit = first if layer == 1 else None
        counts = range(1, rows * columns + 1)
        layers.append([mask for count in counts for mask in islice(layer_masks(rows, columns, count), limit)])
    output = ((1 << dims[-1]) - 1,) * outputs
    expected = [(*masks, output) for masks in product(*layers)]
    if budget is not None:
        expected = [rows for rows in expected if weights(rows[:-1]) < budget]
    # Sorting is stable: combinations with the same numbers of weights stay in the order of the product.
    expected.sort(key=lambda rows: [weights((layer,)) for layer in rows])
    arguments = {"dims": dims, "inputs": inputs, "outputs": outputs, "budget": budget, "first": first}
    assert list(unstructured(**arguments)) == expected
    assert count_unstructured(**arguments) == len(expected)


def test_huge_searches_are_lazy():
    start = time.perf_counter()
    assert count_unstructured((16, 16, 16)) > 10**100
    rows = next(unstructured((16, 16, 16)))
    assert [len(layer) for layer in rows] == [16, 16, 16, 1]
    assert next(structures(10_000, 50)) == (1,) * 50
    # No branch is a dead end, from whichever number of weights one starts.
    for count in range(16, 16 * 16 + 1, 5):
        (mask,) = islice(layer_masks(16, 16, count), 1)
        assert sum(row.bit_count() for row in mask) == count
    assert sum(1 for _ in islice(layer_masks(16, 16, 20), 2_000)) == 2_000
    assert time.perf_counter() - start < 20


def test_impossible_arguments():
    assert list(layer_masks(3, 2, 2)) == list(layer_masks(3, 2, 7)) == []
    assert list(unstructured((3, 3), first=0)) == list(unstructured((3, 3), budget=6)) == []
    assert count_unstructured((3, 3), first=0) == count_unstructured((3, 3), budget=6) == 0
    for wrong in (lambda: structures(0, 3), lambda: structures(3, 0), lambda: layer_masks(0, 3, 1)):
        with pytest.raises(ValueError, match="1 or more"):
            wrong()
    for function in (structured, unstructured, count_unstructured):
        with pytest.raises(ValueError, match="1 or more"):
            function((3, 0))
        with pytest.raises(ValueError, match="hidden layer"):
            function(())
    with pytest.raises(ValueError, match="first is -1"):
        unstructured((3, 3), first=-1)
