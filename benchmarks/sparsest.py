"""How fast the sparsest-models study trains and prunes: against one network at a time, and as the cohort grows.

    python benchmarks/sparsest.py                     all parts, about 10 minutes on one core
    python benchmarks/sparsest.py --part methods      networks an hour beside the plain way: phase 2, and each method
    python benchmarks/sparsest.py --part size         time and memory of a network as the cohort grows from 1 to 4,096
    python benchmarks/sparsest.py --part step         where the time of one step goes
    python benchmarks/sparsest.py --device cuda       the same parts on a GPU, where there is one

All that is compared runs in this one process, in turn, on one thread; quote the ratios. The plain way is what the
published code does: a DataLoader, one network, torch.optim.SGD, and masks multiplied into the weights at each step. It
is timed over one epoch and counted 50 times (lottery tickets: 250), with the method's own scores for one network.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core a worker, as Ray sets it

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from raydensity import data
from raydensity.experiment import run_cohort
from raydensity.pruning import search
from raydensity.pruning.at_initialization import initial_masks
from raydensity.spec import MLP, SGD, GlobalMagnitudePruning, LastEpoch, NetworkSpec, Spiral, Training
from raydensity.spec.sparsity import FORCE, GMP, LTH, SNIP, AnyMethod, Explicit, GraSP, IterSNIP, ProsPr, RigL, SynFlow

EPOCHS = 50
METHODS: dict[str, AnyMethod] = {
    "gmp": GMP(nonzeros=24),
    "lth": LTH(nonzeros=24),
    "rigl": RigL(nonzeros=24),
    "snip": SNIP(nonzeros=24),
    "grasp": GraSP(nonzeros=24),
    "synflow": SynFlow(nonzeros=24),
    "iter_snip": IterSNIP(nonzeros=24),
    "force": FORCE(nonzeros=24),
    "prospr": ProsPr(nonzeros=24),
}


def spec(sparsity: AnyMethod | Explicit, seed: int, *, width: int = 16) -> NetworkSpec:
    """A network of the study; all networks see the same order of batches, as its search does."""
    return NetworkSpec(
        dataset=Spiral(),
        preprocessing="standardized",
        architecture=MLP(width=width, hidden=(1, 1, 1)),
        initializer="torch_default",
        sparsity=sparsity,
        training=Training(
            optimizer=SGD(learning_rate=0.05, momentum=0.9, weight_decay=5e-4),
            batch_size=128,
            max_epochs=EPOCHS,
            stopping=LastEpoch(),
        ),
        pruning=GlobalMagnitudePruning(points=1),  # the plain way does not prune after training
        measures=(),
        init_seed=seed,
        data_seed=0,
        prune_seed=seed,
    )


def searched(count: int) -> list[NetworkSpec]:
    """Networks of phase 2, each with a mask of its own as far as there are so many."""
    masks = list(search.unstructured((3, 2, 2)))
    return [spec(Explicit(rows=masks[number % len(masks)]), number) for number in range(count)]


def cohort_seconds(specs: list[NetworkSpec], device: str) -> float:
    """Seconds for a whole cohort, from its specs to its record."""
    start = time.monotonic()
    run_cohort(specs, device=device)
    return time.monotonic() - start


# The plain way --------------------------------------------------------------------------------------------------------


def plain_epoch_seconds(device: str, *, width: int = 16) -> float:
    """Seconds for an epoch of one network, evaluated once, as the published code trains it."""
    dataset = data.load(Spiral())
    loader = DataLoader(
        TensorDataset(dataset.train_images, dataset.train_labels.float()), batch_size=128, shuffle=True, drop_last=True
    )
    sizes = [2, width, width, width, 1]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).to(device)
    masks = {name: (torch.rand_like(p) < 0.1).float() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)

    def apply_masks() -> None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.mul_(masks[name])

    start = time.monotonic()
    for points, labels in loader:
        points, labels = points.to(device), labels.to(device)
        apply_masks()
        logits = model(points).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        apply_masks()
    return time.monotonic() - start


def plain_seconds(sparsity: AnyMethod | Explicit, epoch: float, device: str) -> float:
    """Seconds for one network one by one: its epochs, and the scores of its method for it alone."""
    one = [spec(sparsity, 0)]
    initial_masks(one, data.load(Spiral(), device=device), device=torch.device(device), published={})
    start = time.monotonic()
    initial_masks(one, data.load(Spiral(), device=device), device=torch.device(device), published={})
    return time.monotonic() - start + epoch * one[0].total_epochs


# Parts ----------------------------------------------------------------------------------------------------------------


def methods(networks: int, device: str, console: Console) -> None:
    """Networks an hour of phase 2 and of each method, beside the plain way."""
    console.print(f"Networks an hour, width 16, cohorts of {networks}, {device}")
    table = Table()
    for name in ("", "plain", "raydensity", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    epoch = min(plain_epoch_seconds(device) for _ in range(3))
    cohort_seconds(searched(2), device)  # compiles what is not compiled yet
    made = {"search": searched(networks)}
    made |= {name: [spec(method, seed) for seed in range(networks)] for name, method in METHODS.items()}
    for name, specs in made.items():
        sparsity = specs[0].sparsity
        assert sparsity is not None
        plain = plain_seconds(sparsity, epoch, device)
        ours = cohort_seconds(specs, device) / networks
        table.add_row(name, f"{3600 / plain:,.0f}", f"{3600 / ours:,.0f}", f"{plain / ours:,.0f}")
    console.print(table)


def size(networks: int, device: str, console: Console) -> None:
    """Time of a network, and memory of the process, as the cohort grows; each size in a process of its own."""
    console.print(f"Phase 2 by size of the cohort, {device}")
    table = Table()
    for name in ("networks", "ms each", "of that in steps", "MiB at the peak"):
        table.add_column(name, justify="right")
    for count in (1, 4, 16, 64, 256, 1024, 4096):
        command = [sys.executable, __file__, "--part", "one-size", "--networks", str(count), "--device", device]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, training, memory = map(float, result.stdout.split())
        table.add_row(
            f"{count:,}", f"{1e3 * seconds / count:,.1f}", f"{1e3 * training / count:,.1f}", f"{memory / 2**20:,.0f}"
        )
    console.print(table)


def one_size(networks: int, device: str, console: Console) -> None:
    """Print seconds, seconds of them spent training, and bytes at the peak."""
    run_cohort(searched(2), device=device)
    start = time.monotonic()
    record = run_cohort(searched(networks), device=device)
    training = sum(record["seconds_training"].to_pylist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if device != "cpu":
        peak = torch.cuda.max_memory_allocated()
    print(time.monotonic() - start, training, peak)


def step(networks: int, device: str, console: Console) -> None:
    """Where the time of training goes: compiled steps, and all around them."""
    from raydensity import compiled

    spent = {"descend": 0.0, "logits": 0.0}
    originals = {name: getattr(compiled, name) for name in spent}

    def timed(name: str):  # type: ignore[no-untyped-def]
        def call(*arguments, **named):  # type: ignore[no-untyped-def]
            start = time.perf_counter()
            try:
                return originals[name](*arguments, **named)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    cohort_seconds(searched(2), device)
    for name in spent:
        setattr(compiled, name, timed(name))
    seconds = cohort_seconds(searched(networks), device)
    for name, original in originals.items():
        setattr(compiled, name, original)
    steps = data.describe(Spiral()).fitted_size // 128 * EPOCHS
    console.print(f"A cohort of {networks} of phase 2")
    table = Table()
    for column in ("", "ms a network", "share"):
        table.add_column(column, justify="right" if column else "left")
    rows = {"compiled steps": spent["descend"], "compiled evaluation": spent["logits"]}
    rows["all else"] = seconds - sum(spent.values())
    for name, value in rows.items():
        table.add_row(name, f"{1e3 * value / networks:.2f}", f"{value / seconds:.0%}")
    console.print(table)
    console.print(f"a step of one network: {1e6 * spent['descend'] / networks / steps:.2f} microseconds")


PARTS = {"methods": methods, "size": size, "step": step, "one-size": one_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--networks", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for part in [given.part] if given.part else ["methods", "size", "step"]:
        PARTS[part](given.networks, given.device, Console(highlight=False, width=120))


if __name__ == "__main__":
    main()
