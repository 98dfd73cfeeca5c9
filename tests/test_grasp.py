"""GraSP against finite differences of the gradient flow of one network, in double precision."""

import pytest
import torch
from sparse_networks import on_spiral, start_of
from two_layers import KERNELS, drawn, loss_of, top

from raydensity.pruning.grasp import grasp
from raydensity.spec.sparsity import GraSP


def flow(state, images, labels, temperature):
    """The square of the gradient by the kernels."""
    leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
    cooled = {**leaves, **{name: leaves[name] / temperature for name in ("proj.weight", "proj.bias")}}
    loss = loss_of(cooled, images, labels)
    gradients = torch.autograd.grad(loss, [leaves[name] for name in KERNELS])
    return sum((gradient**2).sum() for gradient in gradients)


@pytest.mark.parametrize("temperature", [200.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_grasp_removes_what_holds_the_gradient_flow_back_most(seed, temperature):
    state, dataset = drawn(seed, points=20)
    each = int(dataset.train_labels.bincount().min())
    method = GraSP(nonzeros=1, samples_per_class=each, temperature=temperature)
    specs = [on_spiral(method.model_copy(update={"nonzeros": count}), hidden=(4,)) for count in range(1, 13)]
    start = start_of(specs, dataset, state)
    masks = grasp(start, method)
    exact = {name: value.double() for name, value in state.items()}
    images, labels = balanced(start, dataset, each)
    gains = {name: torch.zeros_like(exact[name]) for name in KERNELS}  # of the flow as a weight shrinks
    for name in KERNELS:
        for place in range(exact[name].numel()):
            values = []
            for change in (1 - 1e-5, 1 + 1e-5):
                scaled = exact[name].clone()
                scaled.view(-1)[place] *= change
                values.append(flow({**exact, name: scaled}, images, labels, temperature))
            gains[name].view(-1)[place] = values[0] - values[1]
    for index, spec in enumerate(specs):
        expected = top({name: -gain for name, gain in gains.items()}, spec.sparsity.nonzeros)
        assert all(torch.equal(masks[name][index], expected[name]) for name in KERNELS)


def balanced(start, dataset, each):
    """The images that GraSP takes: so many of each class."""
    by_class = lambda own: [own[dataset.train_labels[own] == label] for label in (0, 1)]  # noqa: E731
    images, labels = start.images(by_class, each, "grasp")
    return images[0].double(), labels[0].double()


def test_grasp_takes_as_many_images_of_each_class(monkeypatch):
    _, dataset = drawn(0, points=64)
    seen = []
    start = start_of([on_spiral(GraSP(nonzeros=3), hidden=(2,))], dataset)
    losses = type(start).losses
    monkeypatch.setattr(type(start), "losses", lambda self, *a, **k: seen.append((a[2], k)) or losses(self, *a, **k))
    grasp(start, GraSP(nonzeros=3, samples_per_class=5))
    assert seen[0][0].tolist() == [[0] * 5 + [1] * 5]
    assert seen[0][1] == {"temperature": 200.0}
