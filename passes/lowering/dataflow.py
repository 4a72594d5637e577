"""A Relax function as the passes read it: bindings in order, and who reads what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tvm
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT16, FLOAT32, INT8, UINT8, NumericType, NumericTypes

Var = Any
Expr = Any

KERNEL_TYPES = frozenset({FLOAT32, FLOAT16, INT8, UINT8})
"""The numeric types of the maps that kernels of ours take. Tensors of any other are TVM's to lower."""


@dataclass(frozen=True)
class Dataflow:
    """The straight-line body of a function whose shapes are static."""

    parameters: tuple[Var, ...]
    bindings: tuple[tuple[Var, Expr], ...]
    result: Expr

    @cached_property
    def position(self) -> dict[Var, int]:
        return {variable: index for index, (variable, _) in enumerate(self.bindings)}

    @cached_property
    def readers(self) -> dict[Var, list[Var]]:
        """For every variable the bindings that read it, in order, each once."""
        found: dict[Var, list[Var]] = {variable: [] for variable in self.parameters}
        for variable, value in self.bindings:
            found[variable] = []
            for read in dict.fromkeys(variables_of(value)):
                found[read].append(variable)
        return found

    @cached_property
    def results(self) -> frozenset[Var]:
        """The variables that the function returns."""
        return frozenset(variables_of(self.result))

    def value(self, variable: Var) -> Expr | None:
        """The value bound to ``variable``; None for a parameter."""
        index = self.position.get(variable)
        return None if index is None else self.bindings[index][1]

    def viewed(self, variable: Var) -> Var:
        """What a chain of reshapes, which move nothing, views; ``variable`` itself where it is none."""
        value: Any = self.value(variable)
        while operator_of(value) == "relax.reshape" and isinstance(value.args[0], relax.Var):
            variable = value.args[0]
            value = self.value(variable)
        return variable

    def only_reader(self, variable: Var) -> Var | None:
        """The one binding that reads ``variable``, if it is the only one and nobody outside sees it."""
        readers = self.readers[variable]
        return readers[0] if len(readers) == 1 and variable not in self.results else None


def read_dataflow(function: Any) -> Dataflow:
    """The body of ``function``; an alias (``gv = lv``) counts as what it names."""
    names: dict[Var, Expr] = {}
    bindings = []
    for block in function.body.blocks:
        for binding in block.bindings:
            value = replaced(binding.value, lambda read: names.get(read, read))
            if isinstance(value, relax.Var):
                names[binding.var] = value
            else:
                bindings.append((binding.var, value))
    return Dataflow(
        tuple(function.params), tuple(bindings), replaced(function.body.body, lambda read: names.get(read, read))
    )


def replaced(expression: Expr, replace: Callable[[Expr], Expr]) -> Expr:
    """``expression`` with ``replace`` applied to every variable, global ones (callees) too."""
    if isinstance(expression, relax.Var | relax.GlobalVar):
        return replace(expression)
    if isinstance(expression, relax.Tuple):
        return relax.Tuple([replaced(field, replace) for field in expression.fields])
    if isinstance(expression, relax.TupleGetItem):
        return relax.TupleGetItem(replaced(expression.tuple_value, replace), expression.index)
    if isinstance(expression, relax.Call):
        callee = replaced(expression.op, replace)
        arguments = [replaced(argument, replace) for argument in expression.args]
        return relax.Call(callee, arguments, expression.attrs, expression.ty_args)
    return expression


def variables_of(expression: Expr) -> Sequence[Var]:
    """The variables that an expression reads."""
    if isinstance(expression, relax.Var):
        return [expression]
    if isinstance(expression, relax.Tuple):
        return [variable for field in expression.fields for variable in variables_of(field)]
    if isinstance(expression, relax.TupleGetItem):
        return variables_of(expression.tuple_value)
    if isinstance(expression, relax.Call):
        return [variable for argument in expression.args for variable in variables_of(argument)]
    return []


def operator_of(expression: Expr) -> str:
    """The operator's name, such as ``relax.nn.conv2d``; empty for anything else."""
    if isinstance(expression, relax.Call) and isinstance(expression.op, tvm.ir.Op):
        return str(expression.op.name)
    return ""


def shape_of(expression: Expr) -> tuple[int, ...] | None:
    """The static shape of a tensor that kernels of ours take; None for anything else."""
    return shape_of_type(expression.ty)


def shape_of_type(kind: Any) -> tuple[int, ...] | None:
    """The static shape of tensors of a Relax type, if kernels of ours take such; None for any other type."""
    if not isinstance(kind, relax.TensorType) or kind.shape is None or str(kind.dtype) not in KERNEL_TYPES:
        return None
    extents = list(kind.shape.values)
    if not all(isinstance(extent, int | tvm.tirx.IntImm) for extent in extents):
        return None
    return tuple(int(extent) for extent in extents)


def type_of(expression: Expr) -> NumericType:
    """The numeric type of a tensor that ``shape_of`` knows."""
    return NumericType(str(expression.ty.dtype))


def types_of(expression: Expr) -> NumericTypes:
    """The types of a kernel of floats that reads such a tensor."""
    return NumericTypes.all(type_of(expression))


def bytes_of(expression: Expr) -> int | None:
    """The bytes of a tensor that ``shape_of`` knows; None for anything else."""
    shape = shape_of(expression)
    return None if shape is None else type_of(expression).size(shape)


def array_of(expression: Expr) -> Array | None:
    """The numbers of a constant; None for anything else."""
    value = expression.value if isinstance(expression, tvm.ir.GenericConst) else None
    return value.numpy() if isinstance(value, tvm.runtime.Tensor) else None


def weights_of(expression: Expr) -> Array | None:
    """The numbers of a constant that kernels of floats take; None for anything else."""
    array = array_of(expression)
    return array if array is not None and array.dtype.name in (FLOAT32, FLOAT16) else None


def is_float_map(expression: Expr) -> bool:
    """Tell whether it is a tensor of static shape that kernels of floats take."""
    return shape_of(expression) is not None and type_of(expression).is_float
