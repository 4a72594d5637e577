"""Split a wide diagonal off its layer, and join both again: the same sums in two forms, each the other's inverse.

Joined, a layer has one int16 weight W whose values lie within ±127 but for the folded identity's (``widen_diagonal``).
Split, it is an int8 convolution by the rest R (0 on the diagonal, bias included) and an int16 depthwise 1×1 convolution
of the same input by the diagonal D, of the same stride, added before anything else: W = R + D, on one scale a filter.

    x ──┬─▶ Conv(R int8, bias) ──▶ Add ──▶ …          x ──▶ Conv(W int16, bias) ──▶ …
        └─▶ Conv(D int16, 1×1, group = channels) ─┘

This is what a kernel computes, layer by layer; tools that know int8 weights alone take the first branch as it is. The
padding must reach the middle of the kernel and no further for the branch to need none: other layers stay joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from rdpass.core.comparison import Array
from rdpass.passes.quantize.qdq_graph import Integers, QdqGraph
from rdpass.passes.quantize.widen_diagonal import LARGEST, diagonal_of

SPLIT = ("_rest", "_diagonal")
"""What the names of both branches end with."""


def split_diagonals(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` with every wide diagonal as a branch of its own, where the padding allows."""
    return _rewritten(model, _split)


def join_diagonals(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` with the branches that ``split_diagonals`` made joined again."""
    return _rewritten(model, _join)


def _rewritten(model: onnx.ModelProto, rewrite: Callable[[QdqGraph, onnx.NodeProto], bool]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = QdqGraph(copy.graph)
    if any([rewrite(graph, node) for node in list(copy.graph.node)]):
        graph.drop_unused()
    return copy


def _split(graph: QdqGraph, node: onnx.NodeProto) -> bool:
    wide = graph.integers(node.input[1]) if node.op_type == "Conv" else None
    if wide is None or wide.values.dtype != np.int16:
        return False
    attributes = _attributes(node)
    groups, rank = int(attributes.get("group", 1)), wide.values.ndim - 2
    diagonal = diagonal_of(wide.values, groups)
    middles = [d * (size // 2) for d, size in
               zip(attributes.get("dilations", [1] * rank), wide.values.shape[2:], strict=True)]  # fmt: skip
    if diagonal is None or list(attributes.get("pads", [0] * 2 * rank)) != middles * 2:
        return False
    rest = wide.values.copy()
    rest[diagonal] = 0
    if np.abs(rest).max() > LARGEST:
        return False
    narrow, thick = (node.name + ending for ending in SPLIT)
    taps = wide.values[diagonal].reshape(-1, *[1] * (rank + 1))
    weights = [
        _dequantised(graph, f"{narrow}_weight", rest.astype(np.int8), wide.scale),
        _dequantised(graph, f"{thick}_weight", taps, wide.scale),
    ]
    make = onnx.helper.make_node
    _replace(graph, node, [
        *weights,
        make("Conv", [node.input[0], weights[0].output[0], *node.input[2:]], [narrow], narrow, **attributes),
        make("Conv", [node.input[0], weights[1].output[0]], [thick], thick, group=len(rest), kernel_shape=[1] * rank,
             strides=list(attributes.get("strides", [1] * rank))),
        make("Add", [narrow, thick], [node.output[0]], node.name),
    ])  # fmt: skip
    return True


def _join(graph: QdqGraph, node: onnx.NodeProto) -> bool:
    branches = [graph.producers.get(name) for name in node.input] if node.op_type == "Add" else []
    if len(branches) != 2 or any(branch is None or branch.op_type != "Conv" for branch in branches):
        return False
    rest, thick = branches
    assert rest is not None
    assert thick is not None
    narrow, diagonal = graph.integers(rest.input[1]), graph.integers(thick.input[1])
    if narrow is None or diagonal is None or not _are_halves(rest, thick, narrow, diagonal):
        return False
    places = diagonal_of(narrow.values, int(_attributes(rest).get("group", 1)))
    if places is None or narrow.values[places].any():
        return False
    whole = narrow.values.astype(np.int16)
    whole[places] = diagonal.values.ravel()
    weights = _dequantised(graph, f"{node.name}_wide_weight", whole, narrow.scale)
    joined = onnx.helper.make_node(
        "Conv", [rest.input[0], weights.output[0], *rest.input[2:]], list(node.output), node.name, **_attributes(rest)
    )
    _replace(graph, node, [weights, joined])
    return True


def _are_halves(rest: onnx.NodeProto, thick: onnx.NodeProto, narrow: Integers, diagonal: Integers) -> bool:
    one, other = _attributes(rest), _attributes(thick)
    rank, filters = narrow.values.ndim - 2, len(narrow.values)
    return (
        rest.input[0] == thick.input[0]
        and len(thick.input) == 2
        and diagonal.values.shape == (filters, *[1] * (rank + 1))
        and int(other.get("group", 1)) == filters
        and list(one.get("strides", [1] * rank)) == list(other.get("strides", [1] * rank))
        and bool((narrow.scale == diagonal.scale).all())
    )


def _dequantised(graph: QdqGraph, name: str, values: Array, scale: Array) -> onnx.NodeProto:
    return graph.dequantised(name, values, scale, np.zeros(scale.shape, values.dtype))


def _replace(graph: QdqGraph, node: onnx.NodeProto, new: list[onnx.NodeProto]) -> None:
    place = list(graph.graph.node).index(node)
    graph.graph.node.remove(node)
    for each in reversed(new):
        graph.graph.node.insert(place, each)
    graph.producers |= {name: each for each in new for name in each.output}


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
