"""A function as the passes read it: bindings, readers, results, and what is told of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
from tvm import relax

from rdpass.passes.lowering import dataflow
from rdpass.passes.lowering.dataflow import read_dataflow


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", 96), ("float16", 48), ("int8", 24), ("uint8", 24), ("float64", None), ("int64", None)],
)
def test_sizes_are_told_for_types_that_kernels_take(dtype: str, size: int | None) -> None:
    variable = relax.Var("x", relax.TensorType((2, 3, 4), dtype))
    assert dataflow.bytes_of(variable) == size
    assert dataflow.shape_of(variable) == (None if size is None else (2, 3, 4))


X = relax.Var("x", relax.TensorType((2, 3, 4), "float32"))
Y = relax.Var("y", relax.TensorType((2, 3, 4), "float32"))


def written(body: Any) -> Any:
    """The function of X and Y that ``body(builder)`` writes; it gives what is returned."""
    builder = relax.BlockBuilder()
    with builder.function("main", [X, Y]):
        with builder.dataflow():
            result = builder.emit_output(body(builder))
        builder.emit_func_output(result)
    return builder.get()["main"]


def test_a_reshape_of_a_reshape_views_what_the_first_one_does() -> None:
    function = written(lambda builder: builder.emit(relax.op.reshape(builder.emit(relax.op.reshape(X, (6, 4))), (24,))))
    flow = read_dataflow(function)
    assert flow.viewed(flow.bindings[-1][0]).same_as(flow.parameters[0])
    assert flow.viewed(flow.parameters[1]).same_as(flow.parameters[1])


def test_an_alias_counts_as_what_it_names() -> None:
    def body(builder: Any) -> Any:
        total = builder.emit(relax.op.add(X, Y))
        alias = builder.emit(builder.emit(total))
        return builder.emit(relax.op.multiply(alias, total))

    flow = read_dataflow(written(body))
    (total, added), (product, multiplied) = flow.bindings
    assert [dataflow.operator_of(value) for value in (added, multiplied)] == ["relax.add", "relax.multiply"]
    assert all(argument.same_as(total) for argument in multiplied.args)
    assert flow.result.same_as(product)
    assert flow.results == {product}


def test_readers_come_in_order_and_each_once() -> None:
    def body(builder: Any) -> Any:
        square = builder.emit(relax.op.multiply(X, X))
        total = builder.emit(relax.op.add(square, X))
        return builder.emit(relax.Tuple([total, square]))

    flow = read_dataflow(written(body))
    square, total, both = (variable for variable, _ in flow.bindings)
    assert flow.readers == {X: [square, total], Y: [], square: [total, both], total: [both], both: []}
    assert [flow.position[variable] for variable in (square, total, both)] == [0, 1, 2]
    assert flow.value(X) is None
    assert flow.only_reader(X) is None
    assert flow.only_reader(total).same_as(both)


def test_what_the_function_returns_has_no_only_reader() -> None:
    builder = relax.BlockBuilder()
    with builder.function("main", [X, Y]):
        with builder.dataflow():
            first = builder.emit_output(relax.op.nn.relu(X))
            second = builder.emit_output(relax.op.exp(first))
        builder.emit_func_output(relax.Tuple([first, second]))
    flow = read_dataflow(builder.get()["main"])
    first, second = (variable for variable, _ in flow.bindings)
    assert flow.results == {first, second}
    assert flow.readers[first] == [second]
    assert flow.only_reader(first) is None
    assert flow.only_reader(X).same_as(first)


def test_variables_are_replaced_wherever_they_stand_callees_too() -> None:
    callee, other = relax.GlobalVar("before"), relax.GlobalVar("after")
    call = relax.Call(callee, [relax.Tuple([X, relax.TupleGetItem(relax.Tuple([Y, X]), 1)]), relax.const(1.0)])
    names = {callee: other, X: Y}
    found = dataflow.replaced(call, lambda read: names.get(read, read))
    assert found.op.same_as(other)
    assert all(variable.same_as(Y) for variable in dataflow.variables_of(found))
    assert len(dataflow.variables_of(found)) == len(dataflow.variables_of(call)) == 3
    assert found.args[1].same_as(call.args[1])


@pytest.mark.parametrize(
    ("dtype", "is_ours"), [("float32", True), ("float16", True), ("float64", False), ("int8", False)]
)
def test_numbers_of_every_constant_are_told_and_weights_are_of_a_type_that_kernels_take(
    dtype: str, is_ours: bool
) -> None:
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    assert np.array_equal(dataflow.array_of(relax.const(array, dtype)), array)
    assert (dataflow.weights_of(relax.const(array, dtype)) is not None) == is_ours
    assert dataflow.array_of(X) is None
    assert dataflow.weights_of(X) is None


def test_a_shape_that_is_not_static_and_what_is_no_tensor_have_none() -> None:
    symbolic = relax.Var("n", relax.TensorType((tvm.tirx.Var("n", "int64"), 3), "float32"))
    of_unknown_shape = relax.Var("u", relax.TensorType(ndim=2, dtype="float32"))
    several = relax.Var("t", relax.TupleType([X.ty, Y.ty]))
    assert [dataflow.shape_of(each) for each in (symbolic, of_unknown_shape, several)] == [None] * 3
    assert [dataflow.bytes_of(each) for each in (symbolic, of_unknown_shape, several)] == [None] * 3
    assert dataflow.operator_of(X) == dataflow.operator_of(relax.Tuple([X])) == ""
