"""Reductions along axes, sorting and running sums."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch

from rdpass.onnx.reading.arithmetic import dtype_of
from rdpass.onnx.reading.call import Call, Reader, Unreadable


def _axes(call: Call) -> tuple[int, ...] | None:
    """The axes; None where nothing is to be reduced."""
    axes = call.integers("axes", 1)
    if not axes:
        return None if call.attribute("noop_with_empty_axes", 0) else tuple(range(len(call.shape())))
    return tuple(axis % len(call.shape()) for axis in axes)


def _kept_type(call: Call, function: Callable[..., Any]) -> dict[str, torch.dtype]:
    """For sums and products, which torch makes int64 of smaller integers."""
    value = call.node.inputs[0]
    if function not in (torch.sum, torch.prod, torch.cumsum, torch.cumprod) or value is None or value.dtype is None:
        return {}
    return {"dtype": dtype_of(int(value.dtype))} if value.dtype.is_integer() else {}


def _reduction(
    function: Callable[..., Any], before: Callable[..., Any] | None = None, after: Callable[..., Any] | None = None
) -> Reader:
    def read(call: Call) -> Any:
        axes, keeps = _axes(call), bool(call.attribute("keepdims", 1))
        value = call.value(0) if before is None else call.call(before, call.value(0))
        if axes is not None and call.shape():
            value = call.call(function, value, axes, keeps, **_kept_type(call, function))
        return value if after is None else call.call(after, value)

    return read


def product(call: Call) -> Any:
    axes, keeps = _axes(call), bool(call.attribute("keepdims", 1))
    value = call.value(0)
    for axis in sorted(axes or (), reverse=True):
        value = call.call(torch.prod, value, axis, keeps, **_kept_type(call, torch.prod))
    return value


def extremum_of(function: Callable[..., Any], on_bool: Callable[..., Any]) -> Reader:
    def read(call: Call) -> Any:
        kind = call.node.inputs[0].dtype if call.node.inputs[0] is not None else None
        is_bool = kind is not None and kind.name == "BOOL"
        return _reduction(on_bool if is_bool else function)(call)

    return read


def extremum_index(function: Callable[..., Any]) -> Reader:
    def read(call: Call) -> Any:
        axis, keeps = call.attribute("axis", 0), bool(call.attribute("keepdims", 1))
        if not call.attribute("select_last_index", 0):
            return call.call(function, call.value(0), axis, keeps)
        found = call.call(function, call.call(torch.flip, call.value(0), (axis,)), axis, keeps)
        return call.call(torch.sub, call.shape()[axis] - 1, found)

    return read


def cumulative(function: Callable[..., Any]) -> Reader:
    def read(call: Call) -> Any:
        if call.attribute("exclusive", 0):
            raise Unreadable("it is exclusive")
        axis = int(call.constant(1, "axis").reshape(-1)[0])
        value = call.value(0)
        if not call.attribute("reverse", 0):
            return call.call(function, value, axis, **_kept_type(call, function))
        summed = call.call(function, call.call(torch.flip, value, (axis,)), axis, **_kept_type(call, function))
        return call.call(torch.flip, summed, (axis,))

    return read


def top(call: Call) -> Any:
    count = int(call.constant(1, "k").reshape(-1)[0])
    axis, largest = call.attribute("axis", -1), bool(call.attribute("largest", 1))
    ordered = call.call(torch.sort, call.value(0), dim=axis, descending=largest, stable=True)  # topk mixes equal ones
    parts = (call.call(operator.getitem, ordered, index) for index in range(2))
    return tuple(call.call(torch.narrow, part, axis, 0, count) for part in parts)


READERS: Mapping[str, Reader] = {
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "ReduceMax": extremum_of(torch.amax, torch.any),
    "ReduceMin": extremum_of(torch.amin, torch.all),
    "ReduceProd": product,
    "ReduceL1": _reduction(torch.sum, torch.abs),
    "ReduceL2": _reduction(torch.sum, torch.square, torch.sqrt),
    "ReduceSumSquare": _reduction(torch.sum, torch.square),
    "ReduceLogSum": _reduction(torch.sum, None, torch.log),
    "ReduceLogSumExp": _reduction(torch.logsumexp),
    "ArgMax": extremum_index(torch.argmax),
    "ArgMin": extremum_index(torch.argmin),
    "CumSum": cumulative(torch.cumsum),
    "CumProd": cumulative(torch.cumprod),
    "TopK": top,
}
