"""A Slice that cuts off a convolution's map at its ends is less padding: what is cut off is not computed.

    conv(x; before, after)[a : size - b]  =  conv(x; before - a s, after - b s)      s: the stride

1. Causal convolutions are often written so: padded on both sides, the last outputs dropped again ("chomp").
2. Likewise for a transposed convolution, whose padding is what it leaves out: before + a, after + b.
3. What works on each number by itself may stand between; so may quantisation, and a batch norm.
"""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, input_of, made_by, only_reader, remake, replace, shape_of
from rdpass.onnx.normalise.sink_transposes import UNARY

OPERATORS = ("Slice",)
_BETWEEN = (*UNARY, "QuantizeLinear", "DequantizeLinear", "BatchNormalization")


def fold_crop(node: ir.Node) -> bool:
    """Take the Slice into the convolution before it; False where that pads too little, or its map is read elsewhere."""
    before, after = shape_of(input_of(node, 0)), shape_of(node.outputs[0])
    ends = None if before is None or after is None else _cut_off(node, before, after)
    path = _path(node)
    if ends is None or not path or attribute(path[-1], "auto_pad", "NOTSET") != "NOTSET":
        return False
    conv = path[-1]
    pads = _padding(conv, ends)
    if min(pads) < 0:
        return False
    remake(conv, pads=pads)
    for passed in path:
        passed.outputs[0].shape = node.outputs[0].shape
    source = node.inputs[0]
    assert source is not None
    replace(node, source)
    return True


def _path(node: ir.Node) -> list[ir.Node]:
    """The nodes before ``node``, the nearest first, to a convolution that it alone reads; empty where there is none."""
    path: list[ir.Node] = []
    reader = node
    while True:
        before = made_by(input_of(reader, 0), "Conv", "ConvTranspose", *_BETWEEN)
        if before is None or len(before.outputs) != 1 or only_reader(before.outputs[0]) is not reader:
            return []
        path.append(before)
        if before.op_type in ("Conv", "ConvTranspose"):
            return path
        reader = before


def _cut_off(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...]) -> list[int] | None:
    """Positions cut off in front, then behind, per axis of space; None where it takes steps or cuts other axes."""
    starts, given, steps = (array_of(input_of(node, index)) for index in (1, 3, 4))
    if starts is None or any(found is None and input_of(node, i) is not None for i, found in ((3, given), (4, steps))):
        return None
    if before[:2] != after[:2] or (steps is not None and (steps != 1).any()):
        return None
    axes = range(starts.size) if given is None else [int(axis) % len(before) for axis in given]
    front = [0] * len(before)
    for axis, start in zip(axes, starts.tolist(), strict=True):
        front[axis] = min(start + before[axis] if start < 0 else start, before[axis])
    behind = [whole - kept - first for whole, kept, first in zip(before, after, front, strict=True)]
    return [*front[2:], *behind[2:]] if min(*front, *behind) >= 0 and 0 not in after else None


def _padding(conv: ir.Node, ends: list[int]) -> list[int]:
    pads = attribute(conv, "pads", (0,) * len(ends))
    if conv.op_type == "ConvTranspose":
        return [own + more for own, more in zip(pads, ends, strict=True)]
    strides = attribute(conv, "strides", (1,) * (len(ends) // 2))
    return [own - less * step for own, less, step in zip(pads, ends, (*strides, *strides), strict=True)]
