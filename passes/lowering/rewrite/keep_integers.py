"""Keep what a quantised network says in integers until kernels have been found.

An importer gives ``dequantize`` of weights and of maps, floats between, and ``quantize`` again. Two things would hide
the integers:

1. Constants are folded, so that weights would be floats. ``KeepIntegers`` makes a call that nobody folds of each that
   is dequantised. ``ReleaseIntegers`` makes the operator again of those that no kernel takes.
2. One dequantised map may have several readers, each of which belongs to a kernel of its own. ``KeepIntegers`` gives
   every reader its own.

Both preserve every value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tvm
from tvm import relax

from rdpass.kernels.machine import Machine
from rdpass.passes.lowering.dataflow import array_of, operator_of, read_dataflow, replaced, variables_of
from rdpass.passes.lowering.match.find_integers import find_integers
from rdpass.passes.lowering.match.quantized import DEQUANTIZE, MARK, is_marked


@relax.transform.function_pass(opt_level=0, name="KeepIntegers")
class KeepIntegers:
    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        values = [binding.value for block in function.body.blocks for binding in block.bindings]
        if not any(operator_of(value) == DEQUANTIZE for value in values):
            return function
        return _rebuilt(function, lambda bindings: _one_reader_each(map(_kept, bindings), function))


@relax.transform.function_pass(opt_level=0, name="ReleaseIntegers")
class ReleaseIntegers:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        flow = read_dataflow(function)
        if not any(is_marked(value) for _, value in flow.bindings):
            return function
        taken = {variable for placement in find_integers(flow, self.machine) for variable in placement.inside}
        return _rebuilt(function, lambda bindings: (_released(b) if b.var not in taken else b for b in bindings))


def _rebuilt(function: Any, rewrite: Callable[[Any], Iterator[Any]]) -> Any:
    blocks = [type(block)(list(rewrite(block.bindings))) for block in function.body.blocks]
    body = relax.BlockBuilder().normalize(relax.SeqExpr(blocks, function.body.body))
    return relax.Function(function.params, body, function.ret_ty, function.is_pure, function.attrs)


def _kept(binding: Any) -> Any:
    """Case 1."""
    value = binding.value
    if operator_of(value) != DEQUANTIZE or any(array_of(argument) is None for argument in value.args):
        return binding
    axis = relax.const(int(value.attrs.axis), "int64")
    return relax.VarBinding(binding.var, relax.call_dps_packed(MARK, [*value.args, axis], out_ty=value.ty))


def _released(binding: Any) -> Any:
    if not is_marked(binding.value):
        return binding
    data, scale, zero, axis = binding.value.args[1].fields
    value = relax.op.dequantize(data, scale, zero, int(axis.value.numpy()), str(binding.var.ty.dtype))
    return relax.VarBinding(binding.var, relax.BlockBuilder().normalize(value))


def _one_reader_each(bindings: Iterator[Any], function: Any) -> Iterator[Any]:
    """Case 2."""
    dequantized: dict[Any, Any] = {}
    read: set[Any] = set(variables_of(function.body.body))
    for binding in bindings:
        value = binding.value
        if operator_of(value) == DEQUANTIZE or is_marked(value):
            dequantized[binding.var] = value
            yield binding
            continue
        own: dict[Any, Any] = {}
        for variable in dict.fromkeys(variables_of(value)):
            if variable in dequantized and variable in read:
                own[variable] = relax.DataflowVar("again", variable.ty)
                yield relax.VarBinding(own[variable], dequantized[variable])
            read.add(variable)
        if own:
            changed = replaced(value, partial(_other, own))
            yield relax.VarBinding(binding.var, relax.BlockBuilder().normalize(changed))
        else:
            yield binding


def _other(names: dict[Any, Any], variable: Any) -> Any:
    return names.get(variable, variable)
