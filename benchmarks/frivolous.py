"""How fast MLPs train and units are measured, against the plain way; and how much memory measuring takes.

    python benchmarks/frivolous.py                            all parts, on one core
    python benchmarks/frivolous.py --part step                training steps of MLPs, against autograd and torch.optim
    python benchmarks/frivolous.py --part sharing             images that networks share, against copies for each
    python benchmarks/frivolous.py --part prunability         one whole pass for each ablation, against what is shared
    python benchmarks/frivolous.py --part redundancy          numpy's covariance of stored outputs, against the stream
    python benchmarks/frivolous.py --part memory              at the peak, with 1,000 and 10,000 images
    python benchmarks/frivolous.py --network conv2 --images 200

All that is compared runs in this one process, in turn, on one thread; quote the ratios. The plain way keeps images as
they come, passes them in batches of 100 through the whole network, multiplies what is ablated by 0, and does all that
once for each ablation, or for each of the three samples of outputs, as the published code does. Weights and images are
drawn: what they are does not change the time. In training the plain way is a module, autograd and torch.optim for one
network after the other; "products" are the batched ones that other dense networks take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core a worker, as Ray sets it

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from raydensity import compiled_shallow, data, dense, models
from raydensity.cohort import Cohort
from raydensity.measures.chunks import UNIT_CHUNK, images_at_a_time
from raydensity.measures.covariance import MOST_EXAMPLES, Covariances, covariances
from raydensity.measures.outputs import passes
from raydensity.measures.prunability import REPEATS, SHARES, prunability
from raydensity.measures.redundancy import Spectrum, redundancy
from raydensity.models.chain import Chain
from raydensity.optimizers import StackedOptimizer
from raydensity.spec import MLP, SGD, AlexNet, Architecture, Conv2, NetworkSpec, RMSProp, Teacher
from raydensity.training import train

BATCH = 100  # images of the plain way at a time
NETWORKS: dict[str, tuple[Architecture, tuple[int, ...], int, int]] = {  # input, classes, images to measure on
    "mlp-32": (MLP(width=1, hidden=(32,)), (10,), 2, 1000),
    "mlp-128": (MLP(width=1, hidden=(128,)), (10,), 2, 1000),
    "mlp-512": (MLP(width=1, hidden=(512,)), (10,), 2, 1000),
    "mlp-32-wide-input": (MLP(width=1, hidden=(32,)), (10_000,), 2, 1000),
    "mlp-512-wide-input": (MLP(width=1, hidden=(512,)), (10_000,), 2, 1000),
    "mlp-300-100": (MLP(width=1), (1, 28, 28), 10, 2000),
    "conv2": (Conv2(width=1), (1, 28, 28), 10, 200),
    "alexnet-quarter": (AlexNet(width=0.25), (3, 32, 32), 10, 200),
    "alexnet": (AlexNet(width=1), (3, 32, 32), 10, 60),
}


def network(name: str) -> Chain:
    """The network in evaluation mode, its weights drawn as torch does."""
    architecture, input_shape, classes, _ = NETWORKS[name]
    torch.manual_seed(0)
    built = models.build(architecture, input_shape=input_shape, classes=classes).eval()
    assert isinstance(built, Chain)
    return built


def drawn(name: str, count: int, at_a_time: int) -> Iterator[torch.Tensor]:
    """Images, some at a time; none is kept."""
    source = torch.Generator().manual_seed(0)
    for start in range(0, count, at_a_time):
        yield torch.randn(min(at_a_time, count - start), *NETWORKS[name][1], generator=source)


def at_a_time(own: Chain, name: str) -> int:
    """As many images as raydensity measures at a time."""
    return images_at_a_time(own, torch.zeros(1, *NETWORKS[name][1]), most=UNIT_CHUNK)


def fastest(call: Callable[[], object], seconds: float = 3.0) -> float:
    """Seconds of this process's core in the fastest of several calls, two at least, for as long as `seconds`."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < seconds and len(times) < 50):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


# Training -------------------------------------------------------------------------------------------------------------


def compare_steps(names: list[str], count: int | None, console: Console) -> None:
    """Milliseconds of a step of a cohort of MLPs, batches of 128 images."""
    table = Table(title="One step of a cohort of MLPs")
    for column in ("", "optimiser", "networks", "plain, ms", "products, ms", "raydensity, ms", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        architecture, input_shape, classes, _ = NETWORKS[name]
        if not isinstance(architecture, MLP) or len(input_shape) > 1:
            continue
        number = count or (2 if input_shape[0] > compiled_shallow.MOST_INPUTS else 75)
        for rule in (SGD(learning_rate=0.01, momentum=0.9), RMSProp(learning_rate=0.001)):
            dataset = Teacher(inputs=input_shape[0], samples=1000)
            specs = [template(dataset, architecture, rule, seed) for seed in range(number)]
            cohort = Cohort(specs, input_shape=input_shape, classes=classes)
            ours = StackedOptimizer(cohort, specs)
            images = torch.randn(number, 128, *input_shape)
            labels = torch.randint(0, classes, (number, 128))
            plain = fastest(plain_steps([cohort.network(index) for index in range(number)], rule, images, labels))
            seconds = fastest(lambda ours=ours, images=images, labels=labels: ours.train(images, labels, 1))
            most, compiled_shallow.MOST_INPUTS = compiled_shallow.MOST_INPUTS, 0
            products = fastest(lambda ours=ours, images=images, labels=labels: ours.train(images, labels, 1))
            compiled_shallow.MOST_INPUTS = most
            times = (f"{1000 * each:.2f}" for each in (plain, products, seconds))
            table.add_row(name, rule.name, str(number), *times, f"{plain / seconds:.1f}")
    console.print(table)


def compare_sharing(names: list[str], count: int | None, console: Console) -> None:
    """Seconds of two epochs of four networks that see so many inputs that they share their images in memory."""
    table = Table(title="Two epochs of four MLPs")
    for column in ("", "copies, s", "shared, s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        architecture, input_shape, _, _ = NETWORKS[name]
        if not isinstance(architecture, MLP) or input_shape[0] < dense.WIDE:
            continue
        teacher, rule = Teacher(inputs=input_shape[0], samples=1000), SGD(learning_rate=0.01, momentum=0.9)
        specs = [template(teacher, architecture, rule, seed, epochs=2) for seed in range(4)]
        dataset = data.load(teacher)
        shared = fastest(lambda specs=specs, dataset=dataset: train(specs, dataset, device=torch.device("cpu")))
        most, dense.WIDE = dense.WIDE, 2**62
        copies = fastest(lambda specs=specs, dataset=dataset: train(specs, dataset, device=torch.device("cpu")))
        dense.WIDE = most
        table.add_row(name, f"{copies:.2f}", f"{shared:.2f}", f"{copies / shared:.2f}")
    console.print(table)


def template(dataset: Teacher, architecture: MLP, rule: SGD | RMSProp, seed: int, *, epochs: int = 1) -> NetworkSpec:
    """One network of a cohort."""
    training = {"optimizer": rule, "batch_size": 128, "max_epochs": epochs, "stopping": {"name": "best_accuracy"}}
    kind = {"dataset": dataset, "architecture": architecture, "initializer": "glorot_normal", "training": training}
    return NetworkSpec.model_validate({**kind, "init_seed": seed, "data_seed": 0})


def plain_steps(
    networks: list[Chain], rule: SGD | RMSProp, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """A step of one network after the other."""

    def optimizer(own: Chain) -> torch.optim.Optimizer:
        if isinstance(rule, SGD):
            return torch.optim.SGD(own.parameters(), lr=rule.learning_rate, momentum=rule.momentum)
        return torch.optim.RMSprop(own.parameters(), lr=rule.learning_rate, alpha=rule.decay, eps=rule.epsilon)

    optimizers = [optimizer(own.train().requires_grad_()) for own in networks]

    def step() -> None:
        for own, its, x, y in zip(networks, optimizers, images, labels, strict=True):
            its.zero_grad()
            torch.nn.functional.cross_entropy(own(x), y).backward()
            its.step()

    return step


# The plain way --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def plain_prunability(own: Chain, images: torch.Tensor) -> dict[str, list[float]]:
    """Unchanged answers by layer, each after a whole pass; of a network with one layer that stands for all."""
    layers = own.ablated_layers()
    targets = {"all": layers} | ({layer: [layer] for layer in layers} if len(layers) > 1 else {})
    source = torch.Generator().manual_seed(0)
    units = {layer: output.shape[1] for layer, output in own.activations(images[:1]).items()}

    def answers(masks: dict[str, torch.Tensor]) -> torch.Tensor:
        found = []
        for x in images.split(BATCH):
            for layer, step in own.steps().items():
                x = step(x)
                if layer in masks:
                    x = x * masks[layer].view(-1, *[1] * (x.ndim - 2))
            found.append(x.argmax(1))
        return torch.cat(found)

    given = answers({})
    unchanged = defaultdict(list)
    for _ in range(REPEATS):
        orders = {layer: torch.randperm(count, generator=source) for layer, count in units.items()}
        for target, ablated in targets.items():
            for share in SHARES[1:]:
                masks = {layer: torch.ones(units[layer]) for layer in ablated}
                for layer, mask in masks.items():
                    mask[orders[layer][: int(share * units[layer])]] = 0
                unchanged[target].append((answers(masks) == given).double().mean().item())
    return unchanged


@torch.no_grad()
def plain_redundancy(own: Chain, images: torch.Tensor, *, times: int = REPEATS) -> list[np.ndarray]:
    """Spectra of all layers for three samples of their outputs, which are all stored, in as many passes as `times`."""
    source, spectra = np.random.default_rng(0), []
    for repeat in range(REPEATS):
        if repeat < times:
            stored = defaultdict(list)
            for x in images.split(BATCH):
                for layer, output in own.activations(x).items():
                    stored[layer].append(output.movedim(1, -1).reshape(-1, output.shape[1]).numpy())
        for parts in stored.values():
            outputs = np.concatenate(parts)
            if len(outputs) > MOST_EXAMPLES:
                outputs = outputs[source.choice(len(outputs), MOST_EXAMPLES, replace=False)]
            spectra.append(np.linalg.eigh(np.cov(outputs, rowvar=False)).eigenvalues)
    return spectra


# Parts ----------------------------------------------------------------------------------------------------------------


def compare_prunability(names: list[str], count: int | None, console: Console) -> None:
    """Seconds of both ways."""
    table = Table(title="Prunability of one network")
    for column in ("", "images", "plain, s", "raydensity, s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        own, number = network(name), count or NETWORKS[name][3]
        images = torch.cat(list(drawn(name, number, BATCH)))
        parts = images.split(at_a_time(own, name))
        ours = fastest(lambda own=own, parts=parts: prunability(own, parts, seed=0))
        plain = fastest(lambda own=own, images=images: plain_prunability(own, images))
        table.add_row(name, f"{number:,}", f"{plain:.4f}", f"{ours:.4f}", f"{plain / ours:.1f}")
    console.print(table)


def compare_redundancy(names: list[str], count: int | None, console: Console) -> None:
    """Seconds of both ways: the plain one as published and with one pass for all three samples, ours alone and beside
    prunability, which the pass through the network is made for in any case."""
    table = Table(title="Redundancy of one network")
    for column in ("", "images", "plain, s", "one pass, s", "alone, s", "ratio", "beside, s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        own, number = network(name), count or NETWORKS[name][3]
        images = torch.cat(list(drawn(name, number, BATCH)))
        parts = images.split(at_a_time(own, name))
        outputs = list(passes(own, parts))
        alone = fastest(
            lambda own=own, parts=parts, number=number: redundancy(covariances(own, parts, count=number, seed=0))
        )
        beside = fastest(lambda outputs=outputs, number=number: beside_prunability(outputs, number))
        plain = fastest(lambda own=own, images=images: plain_redundancy(own, images))
        once = fastest(lambda own=own, images=images: plain_redundancy(own, images, times=1))
        times = [f"{each:.4f}" for each in (plain, once, alone, beside)]
        ratios = [f"{plain / each:.1f}" for each in (alone, beside)]
        table.add_row(name, f"{number:,}", *times[:3], ratios[0], times[3], ratios[1])
    console.print(table)


def beside_prunability(outputs: list[dict[str, torch.Tensor]], count: int) -> list[Spectrum]:
    """Spectra from the outputs of a pass that has been made."""
    found = Covariances(count=count, seed=0)
    for each in outputs:
        found.add(each)
    return redundancy(found.of_layers())


def memory(names: list[str], count: int | None, console: Console) -> None:
    """MiB at the peak of a process that measures both, beside what it takes with one part of the images."""
    table = Table(title="Memory of both measures, MiB at the peak")
    for column in ("", "1,000 images", "10,000 images"):
        table.add_column(column, justify="right" if column else "left")
    for name in names:
        peaks = []
        for number in (1000, 10_000):
            command = [sys.executable, __file__, "--part", "peak", "--network", name, "--images", str(number)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(f"{int(result.stdout) / 2**20:,.0f}")
        table.add_row(name, *peaks)
    console.print(table)


def peak(names: list[str], count: int | None, console: Console) -> None:
    """Print the bytes at the peak of this process, which measures one network on images that are drawn as they go."""
    [name] = names
    own, number = network(name), count or NETWORKS[name][3]
    part = at_a_time(own, name)
    redundancy(covariances(own, drawn(name, number, part), count=number, seed=0))
    prunability(own, drawn(name, number, part), seed=0)
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(1024 * int(line.split()[1]))


PARTS = {
    "step": compare_steps,
    "sharing": compare_sharing,
    "prunability": compare_prunability,
    "redundancy": compare_redundancy,
    "memory": memory,
    "peak": peak,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--network", choices=NETWORKS)
    parser.add_argument("--images", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for part in [given.part] if given.part else ["step", "sharing", "prunability", "redundancy", "memory"]:
        names = (
            [given.network] if given.network else ["mlp-128", "alexnet-quarter"] if part == "memory" else [*NETWORKS]
        )
        PARTS[part](names, given.images, Console(highlight=False, width=120))


if __name__ == "__main__":
    main()
