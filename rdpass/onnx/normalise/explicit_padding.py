"""``auto_pad`` of convolutions and pools, and a transposed convolution's ``output_shape``, written as ``pads``.

    SAME_*:  outputs = ceil(size / stride);  total = max((outputs - 1) * stride + reach - size, 0)
    VALID:   total = 0
    transposed:  total = stride * (size - 1) + output_padding + reach - output_shape

An odd total has its larger half at the end for SAME_UPPER, else at the beginning. Source: ONNX's operator
specifications.
"""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import attribute, input_of, remake, shape_of

OPERATORS = ("Conv", "MaxPool", "AveragePool", "LpPool", "ConvTranspose", "ConvInteger", "QLinearConv")


def make_padding_explicit(node: ir.Node) -> bool:
    """Write the node's padding as ``pads``; False where it is, or its sizes are not known."""
    way = attribute(node, "auto_pad", "NOTSET")
    if way == "NOTSET" and (node.op_type != "ConvTranspose" or attribute(node, "output_shape") is None):
        if "auto_pad" in node.attributes:
            remake(node, auto_pad=None)
        return False
    shape, kernel = shape_of(input_of(node, 0)), kernel_of(node)
    if shape is None or kernel is None:
        return False
    dilations = attribute(node, "dilations", (1,) * len(kernel))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    strides = attribute(node, "strides", (1,) * len(kernel))
    if node.op_type == "ConvTranspose":
        return _transposed(node, way, shape[2:], reach, strides)
    totals = [0] * len(kernel)
    if way != "VALID":
        totals = [
            max((-(-size // step) - 1) * step + seen - size, 0)
            for size, step, seen in zip(shape[2:], strides, reach, strict=True)
        ]
    remake(node, auto_pad=None, pads=_shared(totals, way == "SAME_UPPER"))
    if node.op_type != "Conv" and way != "VALID":
        remake(node, ceil_mode=None)  # the outputs are as many as SAME says
    return True


def kernel_of(node: ir.Node) -> tuple[int, ...] | None:
    """The kernel's extents, of the weights where they are not given."""
    given = attribute(node, "kernel_shape")
    if given is not None:
        return tuple(given)
    weights = shape_of(input_of(node, 3 if node.op_type == "QLinearConv" else 1))
    return None if weights is None else weights[2:]


def _transposed(node: ir.Node, way: str, sizes: tuple[int, ...], reach: list[int], strides: tuple[int, ...]) -> bool:
    wanted = attribute(node, "output_shape")
    extra = attribute(node, "output_padding", (0,) * len(sizes))
    whole = [
        step * (size - 1) + more + seen for step, size, more, seen in zip(strides, sizes, extra, reach, strict=True)
    ]
    if wanted is None:
        wanted = [size * step for size, step in zip(sizes, strides, strict=True)] if way != "VALID" else whole
    totals = [all_ - out for all_, out in zip(whole, list(wanted)[-len(sizes) :], strict=True)]
    grown = [more + max(-total, 0) for more, total in zip(extra, totals, strict=True)]
    pads = _shared([max(total, 0) for total in totals], way == "SAME_UPPER")
    remake(node, auto_pad=None, output_shape=None, pads=pads, output_padding=grown)
    return True


def _shared(totals: list[int], more_at_end: bool) -> list[int]:
    smaller, larger = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return smaller + larger if more_at_end else larger + smaller
