"""Compute sums of float16 in float32 where no kernel of ours computes them.

Kernels add long sums of float16 in chunks, and means in float32. TVM's own functions add one number after the other in
the type that they read: the mean of 4 096 ones comes out as a half, for in float16 2048 + 1 is 2048.

Preserves values to float16's rounding of what is read and of what is given.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax

from rdpass.core.numeric_types import FLOAT16, FLOAT32, NumericType
from rdpass.kernels.machine import Machine
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, read_dataflow, replaced
from rdpass.passes.lowering.match.find_placements import find_placements

_SUMS = {
    f"relax.{name}"
    for name in ("mean", "matmul", "nn.conv2d", "nn.conv2d_transpose", "nn.avg_pool2d", "nn.adaptive_avg_pool2d")
}
"""What computes in float16 (``half_precision``) and adds up."""


@relax.transform.function_pass(opt_level=0, name="WidenSums")
class WidenSums:
    """Wants the module that kernels are found in."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        flow = read_dataflow(function)
        sums = {variable for variable, value in flow.bindings if operator_of(value) in _SUMS and _is_half(variable)}
        if sums:
            placed = find_placements(flow, self.machine)
            sums -= {variable for placement in placed for variable in (placement.root, *placement.inside)}
        return _widened(function, flow, sums) if sums else function


def _is_half(expression: Any) -> bool:
    return isinstance(expression.ty, relax.TensorType) and str(expression.ty.dtype) == FLOAT16


def _widened(function: Any, flow: Dataflow, sums: set[Any]) -> Any:
    builder, names = relax.BlockBuilder(), {parameter: parameter for parameter in flow.parameters}
    with builder.function("main", list(flow.parameters), attrs=dict(function.attrs or {})):
        with builder.dataflow():
            for variable, value in flow.bindings:
                written = replaced(value, lambda read: names.get(read, read))
                if variable in sums:
                    wide = relax.Call(written.op, [_wide(builder, each) for each in written.args], written.attrs)
                    written = _cast(builder.emit(wide), FLOAT16)
                names[variable] = builder.emit(written)
            result = builder.emit_output(replaced(flow.result, lambda read: names.get(read, read)))
        builder.emit_func_output(result)
    return builder.finalize()["main"].with_attr("global_symbol", "main")


def _wide(builder: relax.BlockBuilder, argument: Any) -> Any:
    """An argument in float32; what is no tensor of float16 stays."""
    array = array_of(argument)
    if array is not None and array.dtype.name == FLOAT16:
        return relax.const(array.astype(FLOAT32))
    return (
        builder.emit(_cast(argument, FLOAT32)) if isinstance(argument, relax.Var) and _is_half(argument) else argument
    )


def _cast(expression: Any, numeric: NumericType) -> Any:
    return relax.op.astype(expression, numeric.value)
