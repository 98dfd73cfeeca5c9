"""What networks become sparse by, and how they then train, does not depend on who else is in the cohort, to the bit."""

import pytest
import torch
from sparse_networks import SMALL, on_digits, on_spiral

from raydensity import data
from raydensity.cohort import Cohort
from raydensity.evaluation import evaluate
from raydensity.optimizers import StackedOptimizer
from raydensity.pruning import grasp, prospr, snip, synflow
from raydensity.pruning.at_initialization import initial_masks
from raydensity.spec import SGD, Adam, Conv2, ResNet
from raydensity.spec.sparsity import FORCE, SNIP, GraSP, IterSNIP, ProsPr, SynFlow

CPU = torch.device("cpu")
PARTS = ([0], [4], [1, 2], [3, 4, 0])
METHODS = {
    method.name: method
    for method in (
        SNIP(nonzeros=1),
        GraSP(nonzeros=1, samples_per_class=5),
        SynFlow(nonzeros=1, iterations=4),
        IterSNIP(nonzeros=1, steps=3),
        FORCE(nonzeros=1, steps=3),
        ProsPr(nonzeros=1),
    )
}


def asked(method, seed):
    return METHODS[method].model_copy(update={"nonzeros": 10 + 3 * seed})


def spiral_specs(method, hidden=(5, 5, 5), **fields):
    return [
        on_spiral(asked(method, seed), hidden=hidden, init_seed=seed, prune_seed=seed, **fields) for seed in range(5)
    ]


NETWORKS = {
    "spiral": spiral_specs,
    "spiral, odd batches": lambda method: spiral_specs(method, (16, 7, 3), batch_size=25),
    "conv2": lambda method: [on_digits(asked(method, s), Conv2(width=0.02), init_seed=s) for s in range(5)],
    "resnet": lambda method: [on_digits(asked(method, s), ResNet(width=0.1), init_seed=s) for s in range(5)],
}


@pytest.fixture
def scores(monkeypatch):
    """Fills with the scores of each selection."""
    seen = []
    for module in (snip, grasp, synflow, prospr):
        keep = module.keep_largest

        def spy(found, counts, *, keep=keep, **options):
            seen.append({name: score.clone() for name, score in found.items()})
            return keep(found, counts, **options)

        monkeypatch.setattr(module, "keep_largest", spy)
    return seen


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("networks", NETWORKS)
def test_scores_before_training(scores, networks, method):
    specs = NETWORKS[networks](method)
    dataset = data.load(specs[0].dataset)

    def of(part):
        scores.clear()
        masks = initial_masks([specs[index] for index in part], dataset, device=CPU, published={})
        times = len(part) // len(next(iter(scores[0].values())))  # convolutions are scored one by one
        steps = len(scores) // times
        return [
            {n: torch.cat([each[n] for each in scores[step::steps]]) for n in masks if n in scores[0]}
            for step in range(steps)
        ] + [masks]

    together = of(range(5))
    for part in PARTS:
        for mine, everyones in zip(of(part), together, strict=True):
            assert all(torch.equal(mine[name], everyones[name][part]) for name in everyones)


@pytest.mark.parametrize("batch", [1, 16, 25, 48, 64])
@pytest.mark.parametrize("optimizer", [Adam(learning_rate=0.01), SGD(learning_rate=0.05)], ids=lambda rule: rule.name)
def test_networks_with_one_logit_that_train_by_batched_products(optimizer, batch):
    specs = [on_spiral(None, hidden=(16, 20), optimizer=optimizer, init_seed=seed) for seed in range(5)]
    source = torch.Generator().manual_seed(0)
    images = torch.randn(4, 5, batch, 2, generator=source)
    labels = torch.randint(0, 2, (4, 5, batch), generator=source)
    batches = list(zip(images, labels, strict=True))
    spiral = data.load(SMALL)

    def of(part):
        own = [specs[index] for index in part]
        cohort = Cohort(own, input_shape=(2,), classes=1, stacked=True)
        rule = StackedOptimizer(cohort, own)
        losses = [rule.train(x[part], y[part], step)[0] for step, (x, y) in enumerate(batches, start=1)]
        judged = evaluate(cohort, spiral, torch.arange(203).expand(len(part), -1), "unit")
        return [cohort.state(row) for row in range(len(part))], torch.stack(losses), judged.loss

    states, losses, judged = of([0, 1, 2, 3, 4])
    for part in PARTS:
        own_states, own_losses, own_judged = of(part)
        assert torch.equal(own_losses, losses[:, part])
        assert torch.equal(own_judged, judged[part])
        for row, index in enumerate(part):
            assert all(torch.equal(own_states[row][name], states[index][name]) for name in states[index])
