"""A Pad folded into the convolutions and pools that read it, as their own padding, be it uneven.

1. Zeros before a convolution.
2. Zeros before an average pool that pads nothing itself: they count, as the pool's own would with count_include_pad.
3. Before a maximum pool: minus infinity, or any number that is no more than all of the map has, as zeros behind a ReLU.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.explicit_padding import kernel_of
from rdpass.onnx.normalise.graph import array_of, attribute, input_of, is_not_negative, made_by, remake, shape_of

OPERATORS = ("Conv", "AveragePool", "MaxPool")


def fold_padding(node: ir.Node) -> bool:
    """Take the Pad before a convolution or pool into it; False where that would change what it computes."""
    pad = made_by(input_of(node, 0), "Pad")
    amounts = None if pad is None else spatial_padding(pad)
    kernel = kernel_of(node)
    if pad is None or amounts is None or kernel is None or attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return False
    own = attribute(node, "pads", (0,) * len(amounts))
    summed = [mine + more for mine, more in zip(own, amounts, strict=True)]
    if not _fits(node, pad, own, summed, kernel):
        return False
    remake(node, pads=summed, count_include_pad=1 if node.op_type == "AveragePool" else None)
    node.replace_input_with(0, pad.inputs[0])
    return True


def spatial_padding(pad: ir.Node) -> list[int] | None:
    """Before and behind every axis but the first two, where a Pad adds a constant there alone."""
    amounts = array_of(input_of(pad, 1))
    axes = input_of(pad, 3)
    shape = shape_of(pad.inputs[0])
    if attribute(pad, "mode", "constant") != "constant" or amounts is None or shape is None:
        return None
    places = range(len(shape)) if axes is None else array_of(axes)
    if places is None:
        return None
    whole = np.zeros((2, len(shape)), np.int64)
    whole[:, [int(axis) % len(shape) for axis in places]] = amounts.reshape(2, -1)
    if (whole < 0).any() or whole[:, :2].any():
        return None
    return [int(amount) for amount in whole[:, 2:].reshape(-1)]


def _fits(node: ir.Node, pad: ir.Node, own: tuple[int, ...], summed: list[int], kernel: tuple[int, ...]) -> bool:
    value = array_of(input_of(pad, 2)) if input_of(pad, 2) is not None else np.zeros(1)
    if value is None:
        return False
    number = float(value.reshape(-1)[0])
    if node.op_type == "Conv":
        return number == 0
    narrow = all(amount < extent for amount, extent in zip(summed, (*kernel, *kernel), strict=True))
    if not narrow or attribute(node, "ceil_mode", 0):
        return False
    if node.op_type == "AveragePool":
        return number == 0 and (not any(own) or attribute(node, "count_include_pad", 0) == 1)
    return len(node.outputs) == 1 and (number == -np.inf or (number <= 0 and is_not_negative(pad.inputs[0])))
