"""Compute what depends on constants alone.

TVM's own pass makes a function of every operator of a network before it looks at what the operator reads: of a
ResNet-50 hundreds, to fold a few. Here

1. the bindings that read nothing but constants are found; a network without any is left as it is,
2. these alone are given to TVM, as a function without parameters,
3. constants that came of them take their places, and are read where they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tvm
from tvm import relax

from rdpass.passes.lowering.dataflow import operator_of, read_dataflow, replaced, variables_of

_OF_SHAPES = ("relax.shape_of", "relax.size", "relax.shape_to_tensor", "relax.tensor_to_shape")
"""Operators that TVM folds whatever they read."""


@relax.transform.function_pass(opt_level=0, name="FoldConstants")
class FoldConstants:
    """Preserves every value."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        if not _is_straight(function):
            return _folded(function, module)
        bindings = tuple(_of_constants(function))
        known = _constants(bindings, module) if bindings else {}
        return _with_constants(function, known) if known else function


def _is_straight(function: Any) -> bool:
    """Tell whether it is one block of dataflow in which nothing but its operands tells what TVM could fold."""
    if len(function.body.blocks) != 1 or not isinstance(function.body.blocks[0], relax.DataflowBlock):
        return False
    return all(
        isinstance(binding, relax.VarBinding)
        and not isinstance(binding.value, relax.If | relax.Function | relax.SeqExpr)
        and operator_of(binding.value) not in _OF_SHAPES
        for binding in function.body.blocks[0].bindings
    )


def _of_constants(function: Any) -> Iterator[tuple[Any, Any]]:
    """The bindings that read constants, and what was made of such, alone."""
    found: set[Any] = set()
    for binding in function.body.blocks[0].bindings:
        made = isinstance(binding.value, relax.Call | relax.Tuple | relax.TupleGetItem | tvm.ir.GenericConst)
        if made and found.issuperset(variables_of(binding.value)):
            found.add(binding.var)
            yield binding.var, binding.value


def _constants(bindings: tuple[tuple[Any, Any], ...], module: tvm.IRModule) -> dict[Any, Any]:
    """The variables that TVM finds to be constants or tuples of such, with these."""
    builder, copies = relax.BlockBuilder(), dict[Any, Any]()
    with builder.function("constants", []):
        with builder.dataflow():
            for variable, value in bindings:
                copies[variable] = builder.emit_output(replaced(value, lambda read: copies.get(read, read)))
        builder.emit_func_output(relax.Tuple(list(copies.values())))
    flow = read_dataflow(_folded(builder.finalize()["constants"], module))
    values = (flow.value(each) if isinstance(each, relax.Var) else each for each in flow.result.fields)
    return {variable: value for variable, value in zip(copies, values, strict=True) if _is_known(value)}


def _is_known(value: Any) -> bool:
    return isinstance(value, tvm.ir.GenericConst) or (
        isinstance(value, relax.Tuple) and all(map(_is_known, value.fields))
    )


def _folded(function: Any, module: tvm.IRModule) -> Any:
    """``function`` as TVM folds it."""
    called = {each: callee for each, callee in module.functions_items() if not isinstance(callee, relax.Function)}
    place = relax.GlobalVar("constants")
    return relax.transform.FoldConstant()(tvm.IRModule({**called, place: function}))["constants"]


def _with_constants(function: Any, known: Mapping[Any, Any]) -> Any:
    """``function`` with what is known in the places of the variables, and constants where these were read."""
    read = {variable: value for variable, value in known.items() if not isinstance(value, relax.Tuple)}
    bindings = [
        relax.VarBinding(binding.var, replaced(known.get(binding.var, binding.value), lambda v: read.get(v, v)))
        for binding in function.body.blocks[0].bindings
    ]
    body = relax.SeqExpr([relax.DataflowBlock(bindings)], function.body.body)
    return relax.Function(function.params, body, function.ret_ty, function.is_pure, function.attrs)
