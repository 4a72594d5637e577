"""Compute a network of float32 in float16, where that is what its kernels take.

1. Operators that kernels of ours compute, and those that only move numbers, take and give float16; their constants are
   rounded once.
2. Every other operator computes in float32 as before, between casts: the exponentials of a softmax, or a norm's sums,
   leave float16's range or lose its few digits.
3. Inputs and outputs of the network stay float32.

Preserves values to float16's rounding: 2^-11 of each number, more in sums.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax

from rdpass.core.numeric_types import FLOAT16, FLOAT32, NumericType
from rdpass.passes.lowering.dataflow import array_of, operator_of, read_dataflow

_HALVED = {
    f"relax.{name}"
    for name in (
        "nn.conv2d", "nn.conv2d_transpose", "nn.max_pool2d", "nn.avg_pool2d", "nn.adaptive_avg_pool2d",
        "nn.relu", "nn.leakyrelu", "nn.prelu", "nn.silu", "nn.batch_norm", "nn.pixel_shuffle", "image.resize2d",
        "add", "subtract", "multiply", "maximum", "minimum", "clip", "sigmoid", "matmul", "mean", "concat", "split",
        "reshape", "flatten", "squeeze", "expand_dims", "permute_dims", "strided_slice", "nn.pad",
    )
}  # fmt: skip


@relax.transform.function_pass(opt_level=0, name="HalfPrecision")
class HalfPrecision:
    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        return _Writer(function).write()


class _Writer:
    """Writes the function anew; ``names``: what its variables have become, ``casts``: those in the other type."""

    def __init__(self, function: Any) -> None:
        self.function, self.builder = function, relax.BlockBuilder()
        self.names: dict[Any, Any] = {parameter: parameter for parameter in function.params}
        self.casts: dict[Any, Any] = {}

    def write(self) -> Any:
        flow, function, builder = read_dataflow(self.function), self.function, self.builder
        with builder.function("main", list(function.params), attrs=dict(function.attrs or {})):
            with builder.dataflow():
                for variable, value in flow.bindings:
                    numeric = FLOAT16 if operator_of(value) in _HALVED else FLOAT32
                    self.names[variable] = builder.emit(self._value(value, numeric))
                result = builder.emit_output(self._value(flow.result, FLOAT32))
            builder.emit_func_output(result)
        return builder.finalize()["main"].with_attr("global_symbol", "main")

    def _value(self, value: Any, numeric: NumericType) -> Any:
        """An expression whose floats, and those in its tuples, are of that type."""
        if isinstance(value, relax.Tuple):
            return relax.Tuple([self._value(field, numeric) for field in value.fields])
        if isinstance(value, relax.TupleGetItem):
            return relax.TupleGetItem(self._value(value.tuple_value, numeric), value.index)
        if isinstance(value, relax.Call):
            arguments = [self._value(argument, numeric) for argument in value.args]
            return relax.Call(value.op, arguments, value.attrs, value.ty_args)
        array = array_of(value)
        if array is not None and array.dtype.name == FLOAT32 and numeric is FLOAT16:
            return relax.const(array.astype(FLOAT16))
        return self._cast(self.names[value], numeric) if isinstance(value, relax.Var) else value

    def _cast(self, variable: Any, numeric: NumericType) -> Any:
        kind = variable.ty
        if not isinstance(kind, relax.TensorType) or str(kind.dtype) not in (FLOAT16, FLOAT32) or kind.dtype == numeric:
            return variable
        if variable not in self.casts:
            self.casts[variable] = self.builder.emit(relax.op.astype(variable, numeric.value))
        return self.casts[variable]
