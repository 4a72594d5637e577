"""Half-precision numbers widened: a model of float16 or bfloat16 computes in float32.

No kernel here computes in 16 bits, and neither do most ARM cores before v8.2. Inputs and outputs in float16 keep their
type where that is asked for (a Cast stands at each); those in bfloat16, which numpy does not have, become float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper, numpy_helper

from rdpass.core.numeric_types import FLOAT32

_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_TYPE_ATTRIBUTES = ("to", "dtype", "stash_type", "softmax_precision")


def widen_halves(model: onnx.ModelProto, label: str, keep: bool = True) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """``model`` itself where it has nothing in 16 bits; else a copy in float32, and a sentence on it."""
    found = sorted({TensorProto.DataType.Name(kind).lower() for kind in _types(model.graph) if kind in _HALVES})
    if not found:
        return model, ()
    widened = onnx.ModelProto()
    widened.CopyFrom(model)
    del widened.graph.value_info[:]
    _widen_graph(widened.graph)
    if keep:
        _keep_interface(widened.graph)
    for value in (*widened.graph.input, *widened.graph.output):
        _set_type(value, wide=not keep)
    return widened, (f"{label} is in {' and '.join(found)}: computed in {FLOAT32}, which is the more exact",)


def _types(graph: onnx.GraphProto) -> Iterator[int]:
    for value in (*graph.input, *graph.output):
        yield value.type.tensor_type.elem_type
    for tensor in graph.initializer:
        yield tensor.data_type
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t.data_type
            elif attribute.name == "to":
                yield attribute.i
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _types(attribute.g)


def _widen_graph(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            _widen_attribute(attribute)


def _widen_attribute(attribute: onnx.AttributeProto) -> None:
    if attribute.type == onnx.AttributeProto.TENSOR:
        _widen_tensor(attribute.t)
    elif attribute.type == onnx.AttributeProto.GRAPH:
        del attribute.g.value_info[:]
        _widen_graph(attribute.g)
        for value in (*attribute.g.input, *attribute.g.output):
            if value.type.tensor_type.elem_type in _HALVES:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
    elif attribute.name in _TYPE_ATTRIBUTES and attribute.i in _HALVES:
        attribute.i = TensorProto.FLOAT


def _widen_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in _HALVES:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(FLOAT32), tensor.name))


def _keep_interface(graph: onnx.GraphProto) -> None:
    """Inputs and outputs as they were, the nodes between them in float32."""
    given = {value.name for value in graph.input}
    renamed = {value.name: f"{value.name}_{FLOAT32}" for value in graph.input if _narrows(value)}
    outputs = {value.name: f"{value.name}_{FLOAT32}" for value in graph.output if _narrows(value)}
    outputs = {name: wide for name, wide in outputs.items() if name not in given}
    for node in graph.node:
        node.input[:] = [renamed.get(name, outputs.get(name, name)) for name in node.input]
        node.output[:] = [outputs.get(name, name) for name in node.output]
    before = [helper.make_node("Cast", [name], [wide], to=TensorProto.FLOAT) for name, wide in renamed.items()]
    after = [helper.make_node("Cast", [wide], [name], to=TensorProto.FLOAT16) for name, wide in outputs.items()]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def _narrows(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == TensorProto.FLOAT16)


def _set_type(value: onnx.ValueInfoProto, wide: bool) -> None:
    """An end in bfloat16, or, where no ends are kept, in float16, is one in float32."""
    kind = value.type.tensor_type
    if kind.elem_type == TensorProto.BFLOAT16 or (wide and kind.elem_type == TensorProto.FLOAT16):
        kind.elem_type = TensorProto.FLOAT
