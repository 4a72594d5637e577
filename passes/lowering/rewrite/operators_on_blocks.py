"""Operators of the network that stay what they are where their maps lie in blocks of channels.

1. Elementwise ones: every operand is a map in blocks, a number, or one number per channel.
2. A concatenation along channels, and a split: where the parts fill whole blocks, these lie one behind the other.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from tvm import relax

from rdpass.core.numeric_types import NumericType
from rdpass.passes.lowering.dataflow import (
    Dataflow,
    array_of,
    is_float_map,
    operator_of,
    replaced,
    shape_of,
    shape_of_type,
    variables_of,
)
from rdpass.passes.lowering.rewrite.blocked_layout import block_constant
from rdpass.targets.isa import Isa

_ELEMENTWISE = {
    f"relax.{name}"
    for name in (
        "add", "subtract", "multiply", "maximum", "minimum", "clip", "sigmoid", "tanh", "exp", "negative", "abs",
        "nn.relu", "nn.silu", "nn.gelu", "nn.leakyrelu",
    )
}  # fmt: skip

# 1. Elementwise


def runs_blocked(variable: Any, value: Any, blocked: Container[Any]) -> bool:
    """Tell whether an operator reads at least one map in blocks already, and nothing that has no blocks."""
    shape = shape_of(variable)
    if shape is None or len(shape) != 4 or operator_of(value) not in _ELEMENTWISE or not is_float_map(variable):
        return False
    fits = all(_fits(argument, shape) for argument in value.args)
    return fits and any(read in blocked for read in variables_of(value))


def _fits(argument: Any, shape: tuple[int, ...]) -> bool:
    """Tell whether an operand means the same on blocks: a map of these channels, a number, or one per channel."""
    array = array_of(argument)
    if array is not None:
        return array.size == 1 or (array.size == shape[1] and array.shape[-3:] == (shape[1], 1, 1))
    if not isinstance(argument, relax.Var):
        return True
    given = shape_of(argument)
    return given is not None and len(given) == 4 and given[:2] == shape[:2] and given[2:] in (shape[2:], (1, 1))


def on_blocks(value: Any, blocked: Callable[[Any], Any], lanes: int) -> Any:
    """The operator on the blocks that ``blocked`` gives for its maps."""

    def operand(argument: Any) -> Any:
        array = array_of(argument)
        if array is not None and array.size > 1:
            return block_constant(array, lanes)
        return replaced(argument, blocked)

    return relax.Call(value.op, [operand(argument) for argument in value.args], value.attrs, value.ty_args)


# 2. Concatenations and splits


def joins_blocks(value: Any, blocked: Container[Any], isa: Isa) -> bool:
    """Tell whether it is a concatenation of blocked maps along whole blocks of channels."""
    if operator_of(value) != "relax.concat" or int(value.attrs.axis) not in (1, -3):
        return False
    parts = variables_of(value)
    return all(part in blocked and is_float_map(part) and _has_whole_blocks(part.ty, isa) for part in parts)


def splits_blocks(flow: Dataflow, variable: Any, value: Any, blocked: Container[Any], isa: Isa) -> bool:
    """Tell whether a blocked map comes apart along whole blocks, and only its parts are read."""
    if operator_of(value) != "relax.split" or int(value.attrs.axis) not in (1, -3):
        return False
    readers = [flow.value(reader) for reader in flow.readers[variable]]
    return (
        value.args[0] in blocked
        and is_float_map(value.args[0])
        and variable not in flow.results
        and all(_has_whole_blocks(kind, isa) for kind in variable.ty.fields)
        and all(isinstance(reader, relax.TupleGetItem) for reader in readers)
    )


def part_shapes(variable: Any) -> list[tuple[int, ...]]:
    """The shapes of the fields of a tuple; empty ones for what is no map that kernels of ours take."""
    return [shape_of_type(kind) or () for kind in variable.ty.fields]


def _has_whole_blocks(kind: Any, isa: Isa) -> bool:
    shape = shape_of_type(kind)
    return shape is not None and len(shape) == 4 and shape[1] % isa.block(NumericType(str(kind.dtype))) == 0
