"""The record of a cohort: one pyarrow table, one row a network. What the ledger keeps and MLflow shows.

Factor columns repeat the spec, so that analysis needs no parsing. Everything measured as a curve is a list column,
whole: thresholds are chosen in the analysis, never in the run.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

# Changed when a column changes its meaning. Columns may be added without: records that lack them have nulls there.
RECORD_VERSION = 2

FACTORS = pa.schema(
    [
        ("dataset", pa.string()),
        ("task", pa.string()),  # classification or regression; null in records from before there were both
        ("noise", pa.float64()),  # 0 where the data set has none
        ("samples", pa.int64()),  # 0 where the data set has one size
        ("inputs", pa.int64()),  # 0 where the data set has one shape
        ("teacher", pa.int64()),  # seed of the random network that made the labels; 0 where none did
        ("preprocessing", pa.string()),
        ("augmentation", pa.bool_()),
        ("random_labels", pa.bool_()),
        ("architecture", pa.string()),
        ("width", pa.float64()),
        ("hidden", pa.string()),  # units at width 1, such as 300-100; empty where the architecture has no choice
        ("unshared", pa.bool_()),
        ("constant_filters", pa.bool_()),
        ("activation", pa.string()),
        ("dropout", pa.float64()),
        ("varied", pa.string()),
        ("optimizer", pa.string()),
        ("learning_rate", pa.float64()),
        ("momentum", pa.float64()),
        ("weight_decay", pa.float64()),
        ("decayed", pa.string()),
        ("initial_accumulator", pa.float64()),  # 0 where the optimiser has none
        ("schedule", pa.string()),
        ("batch_size", pa.int64()),
        ("max_epochs", pa.int64()),
        ("stopping", pa.string()),
        ("stopping_split", pa.string()),
        ("stopping_loss", pa.float64()),  # 0 where the rule has no target
        ("stopping_patience", pa.int64()),  # 0 where the rule has none
        ("precision", pa.string()),
        ("initializer", pa.string()),
        ("initializer_factor", pa.float64()),
        ("initial_weights", pa.string()),  # digest of published weights; empty where they are drawn
        ("sparsity", pa.string()),  # how the network became sparse; empty where it did not
        ("structure", pa.string()),  # of an explicit mask, such as 3x2x2
        ("nonzeros_asked", pa.int64()),  # weights that a method was to keep; 0 where there is none
        ("published", pa.bool_()),
        ("shuffled", pa.bool_()),
        ("distribution", pa.string()),
        ("rewind_epoch", pa.int64()),
        ("compression", pa.string()),  # what was removed after training by; empty where nothing was
        ("criterion", pa.string()),
        ("level", pa.float64()),
        ("compensation", pa.string()),
        ("refinement", pa.float64()),  # share of the epochs that the network trained again
        ("scored_on", pa.string()),
        ("measured_images", pa.int64()),  # that units are measured on; 0: all
        ("init_seed", pa.int64()),
        ("data_seed", pa.int64()),
        ("order_seed", pa.int64()),
        ("prune_seed", pa.int64()),
    ]
)

OVERLAP = pa.struct(
    [
        ("layer", pa.string()),
        ("weights", pa.int64()),  # weights in the layer
        ("smallest", pa.int64()),  # how many of them the smallest 40 % are
        ("common", pa.int64()),  # how many are among the smallest both before and after training
    ]
)
ACTIVATIONS = pa.struct(
    [
        ("layer", pa.string()),
        ("units", pa.int64()),
        ("hoyer", pa.float64()),  # mean over images of the Hoyer sparsity of the layer's outputs, all positions
        (
            "selectivity",
            pa.float64(),
        ),  # mean over units: largest class mean minus mean of the others (the paper's form)
        ("selectivity_normalized", pa.float64()),  # the same divided by the sum of the two (Morcos et al. 2018)
    ]
)
PRUNABILITY = pa.struct(
    [
        ("layer", pa.string()),  # "all": in all hidden layers at once
        ("repeat", pa.int64()),  # each with an order of the units of its own, from 0
        ("by_position", pa.bool_()),  # each position of a feature map counts as a unit, else the whole map
        ("removed", pa.list_(pa.float64())),  # share of the units that is set to 0, ascending: 0, 1/6, ..., 1
        ("unchanged", pa.list_(pa.float64())),  # share of the images whose answer stays as it was
    ]
)
REDUNDANCY = pa.struct(
    [
        ("layer", pa.string()),
        ("repeat", pa.int64()),  # each with a sample of its own of the layer's outputs, from 0; one where all are taken
        ("rows", pa.int64()),  # outputs that were sampled: images, or positions in images
        ("eigenvalues", pa.list_(pa.float64())),  # of the units' covariance, ascending
    ]
)
CORRELATION = pa.struct(
    [
        ("layer", pa.string()),
        ("mean", pa.float64()),  # of |correlation| over pairs of units, pairs of 0.99999 and more left out
        ("histogram", pa.list_(pa.int64())),  # pairs by |correlation|, 100 equal bins from 0 to 1
    ]
)
INTERPRETABILITY = pa.struct(
    [
        ("layer", pa.string()),
        ("unit", pa.int64()),
        ("activation", pa.float64()),  # that the image excites; 0: no image does
        ("image_variation", pa.float64()),  # total variation of the image
        ("spectral_variation", pa.float64()),  # of its Fourier transform
        ("image", pa.binary()),  # uint8 [channels, height, width], of some units
    ]
)
NARROWING = pa.struct(
    [
        ("way", pa.string()),  # "excised": without prunable units; "refactored": redundant ones' weights taken over
        ("units", pa.int64()),  # of all hidden layers
        ("left", pa.int64()),
        ("same_answers", pa.float64()),  # share of the test images, as in the next two
        ("accuracy", pa.float64()),  # of the narrow network
        ("whole_accuracy", pa.float64()),
        ("mean_difference", pa.float64()),  # of a logit, absolute
    ]
)

RESULTS = pa.schema(
    [
        # "finished", "diverged" (a loss was not finite), or "emptied" (its compression left a layer without units).
        ("status", pa.string()),
        # The target was reached, the validation loss had its minimum before the last epoch, the accuracy was perfect or
        # had not improved for as long as the rule waits, or the rule asks for all epochs; false: epochs ran out.
        ("converged", pa.bool_()),
        ("epochs", pa.int64()),  # epochs trained; those of the refinement where there is one, here and in the curves
        ("stopped_epoch", pa.int64()),  # epoch whose weights were kept, pruned and measured (1 is the first)
        ("parameters", pa.int64()),  # true count of all trainable numbers
        ("weights", pa.int64()),  # true count of prunable weights (kernels, no biases, no batch norm)
        ("weights_kept", pa.int64()),  # weights that are not zero, of those; all where the network is not sparse
        ("weights_in_mask", pa.int64()),  # weights that a sparse network's mask keeps: some may be zero all the same
        ("nonzeros", pa.int64()),  # weights and biases that are not zero
        # Where something was removed: parameters that are left (of single weights, those that are not zero), units that
        # are left by hidden layer, and what the network answered before it was trained again.
        ("parameters_after", pa.int64()),
        ("units_left", pa.list_(pa.int64())),
        ("original_id", pa.string()),  # the network before its compression
        ("refused", pa.string()),  # of an emptied one what it would have lost
        ("removed_validation_loss", pa.float64()),
        ("removed_validation_accuracy", pa.float64()),
        ("removed_test_loss", pa.float64()),
        ("removed_test_accuracy", pa.float64()),
        ("connected_nonzeros", pa.int64()),  # those on a path from an input to an output, and the outputs' biases
        ("disconnected_units", pa.list_(pa.int64())),  # by hidden layer: with weights, yet on no such path
        ("table1_count", pa.int64()),  # the density paper's way of counting (its Table 1); 0 where it has none
        ("train_loss", pa.float64()),  # at stopped_epoch: mean batch loss over that epoch
        ("validation_loss", pa.float64()),
        ("validation_accuracy", pa.float64()),  # fractions in [0, 1], here and below
        ("test_loss", pa.float64()),
        ("test_accuracy", pa.float64()),
        ("curve_epoch", pa.list_(pa.int64())),
        ("curve_train_loss", pa.list_(pa.float64())),
        ("curve_train_accuracy", pa.list_(pa.float64())),
        ("curve_validation_loss", pa.list_(pa.float64())),
        ("curve_validation_accuracy", pa.list_(pa.float64())),
        ("prune_removed", pa.list_(pa.float64())),  # requested fraction removed (of each layer): 0, 0.02, ..., 1
        ("prune_weights_left", pa.list_(pa.int64())),  # weights left over all layers, true count
        ("prune_validation_accuracy", pa.list_(pa.float64())),
        ("prune_validation_loss", pa.list_(pa.float64())),
        # A sparse network itself, weight by weight: layer from 0, unit, its input (-1: the unit's bias), value.
        ("kept_layer", pa.list_(pa.int16())),
        ("kept_unit", pa.list_(pa.int32())),
        ("kept_input", pa.list_(pa.int32())),
        ("kept_value", pa.list_(pa.float32())),
        ("overlap", pa.list_(OVERLAP)),  # empty where not measured
        ("activations", pa.list_(ACTIVATIONS)),
        ("prunability", pa.list_(PRUNABILITY)),
        ("redundancy", pa.list_(REDUNDANCY)),
        ("correlation", pa.list_(CORRELATION)),
        ("interpretability", pa.list_(INTERPRETABILITY)),
        ("narrowing", pa.list_(NARROWING)),
        # A network whose units were removed, on its own: state dict as safetensors, and as ONNX; what its inputs and
        # answers mean, as JSON (encoding/); how far the two differ.
        ("exported_state", pa.binary()),
        ("exported_onnx", pa.binary()),
        ("exported_encoding", pa.string()),
        ("exported_difference", pa.float64()),
        ("correctness", pa.binary()),  # numpy.packbits of 0/1 per validation image, in the order of the data file
        ("validation_size", pa.int64()),
    ]
)

PROVENANCE = pa.schema(
    [
        ("record_version", pa.int64()),
        ("cohort_id", pa.string()),  # hash of the network ids that were trained together
        ("spec", pa.string()),  # the NetworkSpec as canonical JSON
        ("data_digest", pa.string()),  # sha256 over images and labels
        ("seconds_training", pa.float64()),  # this network's share of its cohort's wall time
        ("seconds_pruning", pa.float64()),
        ("seconds_measuring", pa.float64()),
        ("device", pa.string()),
        ("torch_version", pa.string()),
        ("git_commit", pa.string()),  # empty outside a git checkout
        ("git_dirty", pa.bool_()),
    ]
)

SCHEMA = pa.schema([pa.field("network_id", pa.string()), *FACTORS, *RESULTS, *PROVENANCE])


def completed(record: pa.Table, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """These columns of a record, in their types; nulls in those that were added after it was written."""
    schema, known = pa.schema([SCHEMA.field(name) for name in columns]), set(record.column_names)
    nulls = {field.name: pa.nulls(record.num_rows, field.type) for field in schema if field.name not in known}
    arrays = [nulls[name] if name in nulls else record[name] for name in columns]
    return pa.table(arrays, names=list(columns)).cast(schema)


def diverged(record: pa.Table) -> int:
    """Number of networks in a record that diverged."""
    return record["status"].to_pylist().count("diverged")
