"""A QDQ network as a torch network that can be trained, and back: fake quantisation in the very places of the file.

1. A pair QuantizeLinear, DequantizeLinear becomes ``FakeQuantize`` on the file's scale and zero point, which stay.
2. The weights and biases of convolutions and dense layers become parameters (``IntegerWeights``) on the file's scales,
   which stay as well. They begin at the file's integers, so the network begins as the file.
3. Everything else keeps its numbers: constants, slopes, normalisation that did not fold.

A constant that several layers read is one parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx.numpy_helper import from_array
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import parametrize

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.reading.call import ONNX_NODE, Call, Unreadable, tensor_of
from rdpass.onnx.reading.network import read_into_torch
from rdpass.onnx.reading.registry import READERS
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, TRANSPOSED
from rdpass.passes.quantize.layers import WEIGHTED
from rdpass.passes.quantize.qdq_graph import Integers, QdqGraph
from rdpass.passes.quantize.round_weights import limits_of
from rdpass.passes.quantize.straight_through import FakeQuantize, IntegerWeights

UNIT = 127.0
"""Integers of a filter's largest weight."""
_WIDE = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Learnt:
    """A constant of the file and the parameter it became: ``name`` (weight, bias) of the module at ``path``."""

    constant: str
    path: str
    name: str
    turned: bool


@dataclass(frozen=True)
class FakeQuantised:
    """A network of floats that computes what a QDQ file does, and which of its parameters are the file's constants."""

    module: GraphModule
    learnt: tuple[Learnt, ...]

    def parameters(self) -> list[nn.Parameter]:
        """All that is trained, each once."""
        return list({id(p): p for each in self.learnt if (p := self._parameter(each)) is not None}.values())

    def stored(self, quantised: onnx.ModelProto) -> onnx.ModelProto:
        """A copy of the file that this was made of, with the integers of now."""
        copy = onnx.ModelProto()
        copy.CopyFrom(quantised)
        graph = QdqGraph(copy.graph)
        for each in self.learnt:
            with torch.no_grad():
                found = self._integers(each).cpu().double().numpy()
            graph.store(each.constant, np.clip(found.T if each.turned else found, -_WIDE, _WIDE))
        return copy

    def _integers(self, learnt: Learnt) -> Tensor:
        how = self._parametrization(learnt)
        integers: Tensor = how[0].integers(how.original)
        return integers

    def _parameter(self, learnt: Learnt) -> nn.Parameter:
        parameter: nn.Parameter = self._parametrization(learnt).original
        return parameter

    def _parametrization(self, learnt: Learnt) -> Any:
        layer: Any = self.module.get_submodule(learnt.path)
        return layer.parametrizations[learnt.name]


def fake_quantised(quantised: onnx.ModelProto, label: str) -> FakeQuantised:
    """The network in eval mode, equal to the file, its trained constants as parameters.

    Args:
        quantised: as ``place_qdq`` gives it, whatever its integers.
        label: what to call it in messages.

    Raises:
        ConfigError: a node has no form in torch; the message names it.
    """
    graph = QdqGraph(quantised.graph)
    module = read_into_torch(_with_numbers(quantised, graph), label, _READERS)
    module.requires_grad_(False)
    paths = {
        node.meta[ONNX_NODE]: str(node.target)
        for node in module.graph.nodes
        if node.op == "call_module"
        and isinstance(module.get_submodule(node.target), (*CONVOLUTIONS, *TRANSPOSED, nn.Linear))
    }
    found: dict[str, nn.Parameter] = {}
    learnt = []
    for node in quantised.graph.node:
        if node.op_type in WEIGHTED and node.name in paths:
            learnt += _learn(module, paths[node.name], node, graph, found)
    return FakeQuantised(module, tuple(learnt))


def _learn(
    module: GraphModule, path: str, node: onnx.NodeProto, graph: QdqGraph, found: dict[str, nn.Parameter]
) -> list[Learnt]:
    """Make parameters of a layer's integers; ``found``: those of the constants that have one already."""
    layer: Any = module.get_submodule(path)
    turned = node.op_type == "MatMul" or (node.op_type == "Gemm" and not _flag(node, "transB"))
    learnt = []
    for name, given, unit in (("weight", node.input[1], UNIT), ("bias", (*node.input, "", "")[2], UNIT**2)):
        stored = graph.integers(given)
        if stored is None or not _is(getattr(layer, name), stored, turned and name == "weight"):
            continue
        each = Learnt(stored.node.input[0], path, name, turned and name == "weight")
        parametrize.register_parametrization(layer, name, _parametrization(stored, unit, each.turned))
        parameters = layer.parametrizations[name]
        parameters.original = found.setdefault(each.constant, parameters.original).requires_grad_(True)
        learnt.append(each)
    return learnt


def _parametrization(stored: Integers, unit: float, turned: bool) -> IntegerWeights:
    scale, limit = _along(stored), limits_of(stored.values) if unit == UNIT else np.asarray(float(_WIDE))
    scale, limit = (each.T if turned else each for each in (scale, limit))
    return IntegerWeights(tensor_of(scale.astype(FLOAT32)), unit, tensor_of(limit.astype(FLOAT32)))


def _is(held: Tensor | None, stored: Integers, turned: bool) -> bool:
    """Tell whether a layer's numbers are those of the file: a reader may have scaled or repeated them."""
    numbers = _numbers(stored)
    return held is not None and np.array_equal(held.numpy(), numbers.T if turned else numbers)


def _numbers(stored: Integers) -> Array:
    numbers: Array = (stored.values.astype(FLOAT32) * _along(stored)).astype(FLOAT32)
    return numbers


def _along(stored: Integers) -> Array:
    """The scales, shaped to go with the integers."""
    if stored.scale.size == 1:
        return stored.scale.reshape([1] * stored.values.ndim)
    axis = next((a.i for a in stored.node.attribute if a.name == "axis"), 1)
    return stored.scale.reshape([-1 if at == axis % stored.values.ndim else 1 for at in range(stored.values.ndim)])


def _flag(node: onnx.NodeProto, name: str) -> bool:
    return any(attribute.name == name and attribute.i for attribute in node.attribute)


def _with_numbers(quantised: onnx.ModelProto, graph: QdqGraph) -> onnx.ModelProto:
    """A copy whose constants are the numbers that their integers mean."""
    copy = onnx.ModelProto()
    copy.CopyFrom(quantised)
    del copy.graph.node[:]
    for node in quantised.graph.node:
        stored = graph.integers(node.output[0])
        if stored is None:
            copy.graph.node.append(node)
        else:
            copy.graph.initializer.append(from_array(_numbers(stored), node.output[0]))
    return copy


def _quantize(call: Call) -> Any:
    scale, zero = call.constant(1, "scale"), call.constant(2, "zero point")
    if scale.size != 1:
        raise Unreadable("it has more than one scale")
    range_ = np.iinfo(zero.dtype)
    made = FakeQuantize(tensor_of(scale.reshape(())), int(zero.reshape(())), int(range_.min), int(range_.max))
    return call.module(made)


_READERS = {**READERS, "QuantizeLinear": _quantize, "DequantizeLinear": lambda call: call.value(0)}
