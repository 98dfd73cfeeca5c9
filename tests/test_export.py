"""A compressed network on its own: the same answers as a state dict, as ONNX, and in the sweep."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from observed import random_network
from safetensors.torch import load
from test_refinement import network
from torch import nn

from raydensity import data
from raydensity.cost_model import need
from raydensity.experiment import run_cohort
from raydensity.export import export, small_module
from raydensity.models.mlp import DenseNetwork, embedded
from raydensity.networks import trained
from raydensity.spec import Compression


def widened(narrow: DenseNetwork, hidden: tuple[int, ...]) -> DenseNetwork:
    """The network in the room of one with more units."""
    wide = DenseNetwork(narrow.fc1.in_features, hidden, narrow.proj.out_features)
    shapes = {name: tuple(parameter.shape) for name, parameter in wide.named_parameters()}
    wide.load_state_dict(embedded({name: each.detach() for name, each in narrow.named_parameters()}, shapes))
    return wide.eval()


@pytest.mark.parametrize("hidden", [(3,), (4, 2), (1, 1, 5)])
def test_a_network_comes_out_as_small_as_it_is(hidden) -> None:
    narrow = random_network(0, 6, hidden, 3)
    wide = widened(narrow, tuple(units + 4 for units in hidden))
    module = small_module(wide, hidden)
    images = torch.randn(20, 2, 3)
    torch.testing.assert_close(module(images), narrow(images))
    assert sum(p.numel() for p in module.parameters()) == sum(p.numel() for p in narrow.parameters())
    assert [type(layer) for layer in module][:3] == [nn.Flatten, nn.Linear, nn.ReLU]
    found = export(wide, hidden, images)
    assert found.difference < 1e-5
    layers = [
        nn.Linear(each.in_features, each.out_features) if isinstance(each, nn.Linear) else each for each in module
    ]
    plain = nn.Sequential(*layers)
    plain.load_state_dict(load(found.state))
    torch.testing.assert_close(plain(images), narrow(images))
    session = onnxruntime.InferenceSession(found.onnx, providers=["CPUExecutionProvider"])
    [answers] = session.run(["logits"], {"inputs": images[:7].numpy()})  # any number of images
    torch.testing.assert_close(torch.from_numpy(answers), narrow(images[:7]).detach())
    model = onnx.load_from_string(found.onnx)
    assert [node.op_type for node in model.graph.node] == ["Flatten", *["Gemm", "Relu"] * len(hidden), "Gemm"]


def test_a_network_that_would_lose_something_is_not_exported() -> None:
    """Units beyond those that are said to be left."""
    with pytest.raises(RuntimeError, match="answers otherwise"):
        export(random_network(0, 6, (5,), 3), (4,), torch.randn(9, 6))


def test_the_record_has_the_network_itself() -> None:
    rule = Compression(method="output_deviation", level=0.5)
    spec = network(rule).model_copy(update={"measures": ("export",)})
    [row] = run_cohort([spec]).to_pylist()
    [module] = trained([spec])
    wine = data.load(spec.dataset)
    session = onnxruntime.InferenceSession(row["exported_onnx"], providers=["CPUExecutionProvider"])
    answers = torch.from_numpy(session.run(None, {"inputs": wine.test_images.numpy()})[0])
    torch.testing.assert_close(answers, module(wine.test_images).detach(), atol=1e-5, rtol=1e-5)
    right = (answers.argmax(1) == wine.test_labels).double().mean().item()
    assert right == pytest.approx(row["test_accuracy"])
    assert sum(each.numel() for each in load(row["exported_state"]).values()) == row["parameters_after"]
    assert row["exported_difference"] < 1e-5
    for name in ("exported_onnx", "exported_state"):  # nothing of the machine
        assert not re.search(rb"/[a-z]+/[a-z]+|site-packages", row[name]), Path.cwd()


def test_only_networks_without_units_are_exported() -> None:
    for rule in (None, Compression(method="magnitude_global", level=0.5, compensation="none")):
        spec = network(rule).model_copy(update={"measures": ("export",)})
        with pytest.raises(ValueError, match="export is of networks whose units were removed"):
            need(spec, device="cpu")
