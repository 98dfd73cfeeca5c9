"""How fast a trained network is compressed by every rule and refined, against a loop over small modules in torch.

    python benchmarks/odf2nna.py                               all data sets, on one core
    python benchmarks/odf2nna.py --dataset california          one of them
    python benchmarks/odf2nna.py --dataset mnist --share 0.25  a quarter of the epochs of both
    python benchmarks/odf2nna.py --networks 20                 with some of its networks

The networks are those of the study's `reduced` grid that one original has: all levels and criteria of odf2nna, and all
rivals. Both ways train the original, compress it by the same functions, and train every network on; both evaluate all
validation rows after every epoch and keep the weights of the best. The plain way has all rows in memory as tensors, and
for each network, truly small, a module of linear layers and ReLUs, autograd and torch.optim.Adam; single weights that
are gone are multiplied by 0 after every step. Both run in this one process, in turn, on one thread: quote the ratio.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core a worker, as Ray sets it

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from raydensity import data, grid, models
from raydensity.compression import compress, observe
from raydensity.compression.refinement import train_all
from raydensity.data import Dataset
from raydensity.evaluation import gather
from raydensity.export import small_module
from raydensity.losses import mean_loss
from raydensity.models.mlp import DenseNetwork, hidden_units
from raydensity.networks import prepared
from raydensity.spec import NetworkSpec
from sweeps.odf2nna import REDUCED, STUDY

VALIDATED = 4096  # rows of the plain way at a time


def networks(dataset: str, count: int | None, share: float) -> list[NetworkSpec]:
    """Compressed networks of one original of the `reduced` grid; `count` of them, spread over it."""
    chosen = {"group": ["odf2nna", "rivals"], "dataset": [dataset], "repeat": ["0"]}
    found = list(grid.expand(STUDY, grid.configure(STUDY, scale="reduced", settings=chosen)).values())
    if count:
        found = [found[place * len(found) // count] for place in range(min(count, len(found)))]
    return [shortened(spec, share) for spec in found]


def shortened(spec: NetworkSpec, share: float) -> NetworkSpec:
    """The same with a share of its epochs."""
    epochs = max(1, round(share * spec.training.max_epochs))
    return spec.model_copy(update={"training": spec.training.model_copy(update={"max_epochs": epochs})})


class Rows:
    """What the networks of one original see: inputs and labels, to train on and to validate on."""

    def __init__(self, dataset: Dataset, spec: NetworkSpec) -> None:
        parts = (gather(dataset, part[None], spec.preprocessing) for part in data.split(dataset, spec.data_seed))
        (self.inputs, self.labels), (self.validation, self.answers) = (
            (inputs[0].flatten(1), labels[0]) for inputs, labels in parts
        )


def plain(specs: Sequence[NetworkSpec], rows: Rows, network: DenseNetwork) -> None:
    """Train the original, compress it by every rule, train each network on: one after the other."""
    original = copy.deepcopy(network)
    descend(original, rows, specs[0], epochs=specs[0].total_epochs)
    seen = {
        "training": observe(original, rows.inputs, rows.labels),
        "validation": observe(original, rows.validation, rows.answers),
    }
    for spec in specs:
        assert spec.compression is not None
        smaller = compress(seen[spec.compression.scored_on], spec.compression, seed=spec.prune_seed)
        units = [len(bias) for name, bias in smaller.network.named_parameters() if name.endswith("bias")][:-1]
        module = small_module(smaller.network, units)
        masks = list(smaller.masks.values()) if smaller.masks else []
        descend(module, rows, spec, epochs=spec.refinement_epochs, masks=masks)


def descend(module: nn.Module, rows: Rows, spec: NetworkSpec, *, epochs: int, masks: Sequence[Tensor] = ()) -> None:
    """Train a module, with the weights that `masks` leave, and give it the weights that validated best."""
    kernels = [parameter for parameter in module.parameters() if parameter.ndim == 2]
    optimizer = torch.optim.Adam(module.parameters(), lr=spec.training.optimizer.learning_rate)
    size, best, kept = spec.training.batch_size, float("inf"), module.state_dict()
    for _ in range(epochs):
        order = torch.randperm(len(rows.inputs))[: len(rows.inputs) // size * size]
        for batch in order.view(-1, size):
            optimizer.zero_grad()
            mean_loss(module(rows.inputs[batch]), rows.labels[batch]).backward()
            optimizer.step()
            if masks:
                with torch.no_grad():
                    for kernel, mask in zip(kernels, masks, strict=True):
                        kernel.mul_(mask)
        with torch.no_grad():
            parts = zip(rows.validation.split(VALIDATED), rows.answers.split(VALIDATED), strict=True)
            loss = sum(len(y) * mean_loss(module(x), y).item() for x, y in parts)
        if loss < best:
            best, kept = loss, copy.deepcopy(module.state_dict())
    module.load_state_dict(kept)


def seconds(call) -> float:
    """Of this process's core."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=REDUCED)
    parser.add_argument("--networks", type=int)
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="One trained network, compressed by every rule and refined")
    for column in ("", "rows", "hidden units", "epochs", "networks", "plain, s", "raydensity, s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in [given.dataset] if given.dataset else REDUCED:
        specs = networks(name, given.networks, given.share)
        dataset = prepared(specs[0], device="cpu", data_root=None)
        rows, known = Rows(dataset, specs[0]), dataset.description
        network = models.build(specs[0].architecture, input_shape=known.input_shape, classes=known.logits)
        assert isinstance(network, DenseNetwork)
        first = [shortened(spec, 0) for spec in specs[:2]]  # what is compiled, or imported, once
        train_all(first, dataset, device="cpu")
        plain(first, rows, network)
        ours = seconds(lambda specs=specs, dataset=dataset: train_all(specs, dataset, device="cpu"))
        theirs = seconds(lambda specs=specs, rows=rows, network=network: plain(specs, rows, network))
        units = " and ".join(map(str, hidden_units(specs[0].architecture)))
        sizes = (f"{known.fitted_size:,}", units, str(specs[0].total_epochs), str(len(specs)))
        table.add_row(name, *sizes, f"{theirs:.1f}", f"{ours:.1f}", f"{theirs / ours:.1f}")
    Console(highlight=False, width=120).print(table)


if __name__ == "__main__":
    main()
