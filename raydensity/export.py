"""A compressed network on its own: a plain torch module, its state dict as safetensors, and the same as ONNX.

module = small_module(network, units_left)     # nn.Sequential, which needs nothing of raydensity
exported = export(module, images)              # bytes of both files, and how far their answers are apart
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from raydensity.models.mlp import DenseNetwork, extracted

OPSET = 21  # of ONNX, and its IR version: what readers of 2024 know
IR_VERSION = 10
TOLERANCE = 1e-4  # of the largest logit, by which answers may differ


class Exported(NamedTuple):
    """The state dict of `small_module` as safetensors, the same network as ONNX, and the largest difference of an
    answer between them and the network that they come from."""

    state: bytes
    onnx: bytes
    difference: float


def small_module(network: DenseNetwork, units_left: Sequence[int]) -> nn.Sequential:
    """The dense network with the first `units_left` units of each hidden layer, all that the others are zero in.

    Flatten, then Linear and ReLU in turn, the last a Linear: inputs [batch, ...] -> logits [batch, classes].
    """
    state = extracted({name: parameter.detach() for name, parameter in network.named_parameters()}, units_left)
    tensors = list(state.values())
    layers: list[nn.Module] = [nn.Flatten()]
    for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.load_state_dict({"weight": weight, "bias": bias})
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


@torch.no_grad()
def export(network: DenseNetwork, units_left: Sequence[int], images: Tensor) -> Exported:
    """The files of a compressed network, compared with it on images [batch, ...], preprocessed as for training.

    Raises RuntimeError where their answers differ by more than rounding.
    """
    import onnxruntime  # here: only where networks are exported

    expected = network(images).cpu()
    module, images = small_module(network, units_left).cpu(), images.cpu()
    state = save({name: tensor.contiguous() for name, tensor in module.state_dict().items()})
    onnx = to_onnx(module, images.shape[1:])
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    answered = torch.from_numpy(session.run(None, {"inputs": images.numpy()})[0])
    difference = max((answers - expected).abs().max().item() for answers in (module(images), answered))
    if not difference <= TOLERANCE * max(1.0, expected.abs().max().item()):
        raise RuntimeError(f"an exported network answers otherwise than the one it comes from, by {difference:g}")
    return Exported(state, onnx, difference)


def to_onnx(module: nn.Sequential, shape: Sequence[int]) -> bytes:
    """`small_module` as an ONNX model: `inputs` [batch, *shape] -> `logits` [batch, classes], in float32.

    Written node by node: torch's exporter would put the paths of this machine into the file.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, weights, name = [], [], "inputs"
    *_, last = module
    for number, layer in enumerate(module):
        output = "logits" if layer is last else f"output{number}"
        if isinstance(layer, nn.Linear):
            own = {"weight": layer.weight, "bias": layer.bias}
            named = {key: f"{number}.{key}" for key in own}  # as in the state dict
            weights += [numpy_helper.from_array(value.detach().numpy(), named[key]) for key, value in own.items()]
            nodes.append(helper.make_node("Gemm", [name, *named.values()], [output], transB=1))
        else:
            kind = "Flatten" if isinstance(layer, nn.Flatten) else "Relu"
            nodes.append(helper.make_node(kind, [name], [output]))
        name = output
    assert isinstance(last, nn.Linear)
    graph = helper.make_graph(
        nodes,
        "dense network",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", last.out_features])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="raydensity"
    )
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
