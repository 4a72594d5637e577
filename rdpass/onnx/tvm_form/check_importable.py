"""Refuse, by the node's name, what TVM's importer does not know or computes otherwise than ONNX says."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from rdpass.core.errors import ConfigError
from rdpass.onnx.normalise.check_supported import name_of
from rdpass.onnx.normalise.graph import attribute, shape_of

_RECURRENT = {"LSTM", "GRU", "RNN"}
_FIRST_RESULT_ALONE = {"MaxPool", "BatchNormalization", "LayerNormalization", "Dropout"}
_POOLS = {"MaxPool", "AveragePool", "LpPool"}
_UNSIGNED = (ir.DataType.UINT32, ir.DataType.UINT64)


def check_importable(graph: ir.Graph, known: Set[str], label: str) -> None:
    """
    Raises:
        ConfigError: there is such a node.
    """
    for node in graph:
        reason = _reason(node, known)
        if reason:
            raise ConfigError(f"{label}: node {name_of(node)!r} is a {node.op_type}, which can't be built: {reason}")


def _reason(node: ir.Node, known: Set[str]) -> str:
    first = node.inputs[0] if node.inputs else None
    if node.op_type in _RECURRENT:
        return "TVM has no recurrent layers; cut the network before it"
    if node.op_type not in known:
        return "TVM does not know it; replace it by other operators, or cut the network before it"
    if node.op_type in _FIRST_RESULT_ALONE and any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return "more than its first result is read"
    if node.op_type == "Einsum":
        return "it takes a diagonal or broadcasts along a letter; write it in other operators"
    if node.op_type == "TopK" and first is not None and first.dtype in _UNSIGNED:
        return "TVM sorts no unsigned integers of 32 bits or more; cast them before"
    if node.op_type == "Mod" and not attribute(node, "fmod", 0) and _is_float(first):
        return "TVM's remainder of floats by the divisor's sign has other results at infinities; set fmod to 1"
    if node.op_type == "Pad" and attribute(node, "mode", "constant") == "wrap":
        return "it wraps by more than its map holds, or by numbers that depend on the input"
    if node.op_type in _POOLS and _is_wider_than_its_map(node):
        return "its window is larger than the map with its padding; make it as large as the map"
    return ""


def _is_wider_than_its_map(pool: ir.Node) -> bool:
    """ONNX Runtime gives one pixel there, of the part of the window that lies on the map; ONNX says nothing of it."""
    shape = shape_of(pool.inputs[0])
    window = attribute(pool, "kernel_shape", ())
    pads, dilations = attribute(pool, "pads", (0,) * 2 * len(window)), attribute(pool, "dilations", (1,) * len(window))
    if shape is None:
        return False
    padded = [size + sum(pads[axis :: len(window)]) for axis, size in enumerate(shape[2:])]
    return any(size <= d * (w - 1) for size, d, w in zip(padded, dilations, window, strict=True))


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype is not None and value.dtype.is_floating_point()
