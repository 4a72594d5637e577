"""Operators that stay what they are where maps lie in blocks of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tvm import relax

from rdpass.passes.lowering.dataflow import Dataflow, read_dataflow
from rdpass.passes.lowering.rewrite.operators_on_blocks import (
    joins_blocks,
    on_blocks,
    part_shapes,
    runs_blocked,
    splits_blocks,
)
from rdpass.targets.isa import ASIMD, AVX2
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import classes_of, lower_checked

SETS = {4: ASIMD, 8: AVX2}
WIDTH = 16  # whole blocks of any vector


def test_what_is_done_to_a_part_of_a_split_or_to_a_joined_map_is_done_on_blocks() -> None:
    net = Net((1, 3, 12, 12))
    x = net.conv("x0", 3, 2 * WIDTH, 3, stride=2)
    first, second = net.split(x, WIDTH, WIDTH)
    gated = net.node("Mul", net.node("Sigmoid", first), net.node("Tanh", second))
    joined = net.relu(net.node("Concat", gated, net.conv(gated, WIDTH, WIDTH, 3), axis=1))
    _, called = lower_checked(net, classes_of(net, net.add(joined, net.conv(joined, 2 * WIDTH, 2 * WIDTH)), 2 * WIDTH))
    assert not any("planar" in name or "blocked" in name for name in called)


def var(name: str, *shape: int, dtype: str = "float32") -> Any:
    return relax.Var(name, relax.TensorType(shape, dtype))


def bound(call: Any) -> tuple[Any, Any]:
    """A variable of the call's type, and the call."""
    call = relax.BlockBuilder().normalize(call)
    return relax.Var("y", call.ty), call


X, OTHER, PIXEL = var("x", 2, 12, 7, 5), var("other", 2, 12, 7, 5), var("pixel", 2, 12, 1, 1)
ROW = np.arange(12, dtype=np.float32)


@pytest.mark.parametrize(
    "call",
    [
        relax.op.nn.relu(X),
        relax.op.add(X, OTHER),
        relax.op.multiply(PIXEL, X),
        relax.op.multiply(X, relax.const(ROW.reshape(12, 1, 1))),
        relax.op.maximum(relax.const(ROW.reshape(1, 12, 1, 1)), X),
        relax.op.subtract(X, relax.const(np.float32(2))),
    ],
    ids=lambda call: str(call.op.name),
)
def test_elementwise_operators_of_whole_maps_pixels_and_numbers_per_channel_run_on_blocks(call: Any) -> None:
    assert runs_blocked(*bound(call), {X})
    assert not runs_blocked(*bound(call), set())


@pytest.mark.parametrize(
    "call",
    [
        relax.op.nn.softmax(X, 1),
        relax.op.add(X, var("row", 5)),
        relax.op.add(X, relax.const(np.ones((7, 5), np.float32))),
        relax.op.add(X, relax.const(np.ones(5, np.float32))),
        relax.op.add(X, var("images", 1, 12, 7, 5)),
        relax.op.add(X, var("channel", 2, 1, 7, 5)),
    ],
    ids=["softmax", "a row", "pixels", "a column", "an image for all", "a channel for all"],
)
def test_what_means_something_else_on_blocks_does_not(call: Any) -> None:
    assert not runs_blocked(*bound(call), {X})


def test_maps_of_another_type_or_of_three_axes_do_not() -> None:
    for x in (var("x", 2, 12, 7, 5, dtype="float64"), var("x", 2, 12, 7)):
        assert not runs_blocked(*bound(relax.op.nn.relu(x)), {x})


def test_on_blocks_a_constant_per_channel_lies_in_blocks_and_a_number_stays() -> None:
    blocks = var("blocks", 2, 2, 35, 8)
    call = on_blocks(relax.op.add(X, relax.const(ROW.reshape(12, 1, 1))), lambda read: blocks, 8)
    assert call.args[0].same_as(blocks)
    assert call.args[1].value.numpy().shape == (1, 2, 1, 8)
    assert call.args[1].value.numpy().reshape(-1).tolist() == [*ROW, 0, 0, 0, 0]
    two = on_blocks(relax.op.multiply(relax.const(np.float32(2)), X), lambda read: blocks, 8)
    assert float(two.args[0].value.numpy()) == 2


@pytest.mark.parametrize(("lanes", "whole"), [(4, True), (8, False)])
@pytest.mark.parametrize("axis", [1, -3])
def test_maps_are_joined_along_whole_blocks_of_channels_alone(axis: int, lanes: int, whole: bool) -> None:
    call = relax.op.concat([X, OTHER], axis)
    assert joins_blocks(call, {X, OTHER}, SETS[lanes]) == whole
    assert not joins_blocks(call, {X}, SETS[lanes])
    assert not joins_blocks(relax.op.concat([X, OTHER], 2), {X, OTHER}, SETS[lanes])


def split(fields: int, returns_all: bool = False) -> tuple[Dataflow, Any]:
    """12 channels into 4 and 8, of which so many parts are read; and the variable of the split."""
    builder = relax.BlockBuilder()
    with builder.function("main", [X]):
        with builder.dataflow():
            parts = builder.emit(relax.op.split(X, [4], 1))
            read = [builder.emit(relax.TupleGetItem(parts, index)) for index in range(fields)]
            result = builder.emit_output(parts if returns_all else relax.Tuple(read))
        builder.emit_func_output(result)
    flow = read_dataflow(builder.get()["main"])
    return flow, next(variable for variable, value in flow.bindings if isinstance(value, relax.Call))


@pytest.mark.parametrize(("lanes", "whole"), [(4, True), (8, False)])
@pytest.mark.parametrize("fields", [1, 2])
def test_a_map_comes_apart_along_whole_blocks_where_only_its_parts_are_read(
    fields: int, lanes: int, whole: bool
) -> None:
    flow, variable = split(fields)
    assert part_shapes(variable) == [(2, 4, 7, 5), (2, 8, 7, 5)]
    assert splits_blocks(flow, variable, flow.value(variable), {X}, SETS[lanes]) == whole
    assert not splits_blocks(flow, variable, flow.value(variable), set(), SETS[lanes])


def test_a_split_that_is_returned_as_it_is_does_not_come_apart() -> None:
    flow, variable = split(1, returns_all=True)
    assert not splits_blocks(flow, variable, flow.value(variable), {X}, SETS[4])
