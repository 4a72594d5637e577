"""Pools that round up, where a last window would start in the padding behind the map: such a window does not exist.

ONNX Runtime never had it; ONNX's inference before opset 22 and TVM count it. The pool is written as one that rounds
down, with padding for the windows that there are:

    windows = ceil((size + begin + end - reach) / stride) + 1, less one that starts at size + begin or behind
    end'    = (windows - 1) * stride + reach - size - begin

What lies beyond the padding that was given counts in no average, so where the padding itself does, it becomes a Pad.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.explicit_padding import kernel_of
from rdpass.onnx.normalise.graph import attribute, computed, constant, input_of, remake, shape_of

OPERATORS = ("MaxPool", "AveragePool", "LpPool")


def count_whole_windows(node: ir.Node) -> bool:
    """Let the pool round down; False where it does, or rounding up gives no window too many."""
    shape, kernel = shape_of(input_of(node, 0)), kernel_of(node)
    if shape is None or kernel is None or not attribute(node, "ceil_mode", 0):
        return False
    rank = len(kernel)
    ones, pads = (1,) * rank, attribute(node, "pads", (0,) * (2 * rank))
    begins = pads[:rank]
    ends = ends_of(shape[2:], kernel, attribute(node, "strides", ones), attribute(node, "dilations", ones), pads)
    if ends is None:
        return False
    if attribute(node, "count_include_pad", 0):
        given = constant(node, [0, 0, *begins, 0, 0, *pads[rank:]], np.int64)
        extents = [size + begin + end for size, begin, end in zip(shape[2:], begins, pads[rank:], strict=True)]
        node.replace_input_with(0, computed(node, "Pad", [node.inputs[0], given], [*shape[:2], *extents]))
        ends = [max(end - more, 0) for end, more in zip(ends, pads[rank:], strict=True)]
        begins = (0,) * rank
    remake(node, ceil_mode=None, count_include_pad=None, pads=[*begins, *ends])
    return True


def ends_of(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> list[int] | None:
    """The padding behind the map that holds every window of a pool that rounds up; None where none is too many.

    Example:
        >>> ends_of([12], [2], [3], [1], [0, 0])  # a fifth window would start at 12
        [0]
    """
    rank, ends, too_many = len(sizes), [], False
    rows = zip(sizes, kernel, strides, dilations, pads[:rank], pads[rank:], strict=True)
    for size, extent, stride, dilation, begin, end in rows:
        reach = (extent - 1) * dilation + 1
        steps = -(-(size + begin + end - reach) // stride)
        if steps * stride >= size + begin:
            steps, too_many = steps - 1, True
        ends.append(max(steps * stride + reach - size - begin, 0))
    return ends if too_many else None
