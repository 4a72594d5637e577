"""Constants have their shapes and axes before TVM folds any, and the numbers that TVM would give them."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import relax
from tvm_ffi import structural_equal, structural_hash

from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import array_of, operator_of, read_dataflow
from rdpass.passes.lowering.rewrite.reshape_constants import ReshapeConstants
from tests.onnx.normalise.models import numbers, parsed


def _moved(module: tvm.IRModule) -> list[str]:
    """Operators that move the numbers of constants."""
    calls: list[Any] = [value for _, value in read_dataflow(module["main"]).bindings if isinstance(value, relax.Call)]
    return [operator_of(call) for call in calls if call.args and array_of(call.args[0]) is not None]


NETWORKS = {
    "biases": ("y = Conv(x, w, b)", {"w": numbers(4, 4, 3), "b": numbers(4)}),
    "a transposed matrix": ("f = Flatten(x) y = Gemm<transB=1>(f, w, b)", {"w": numbers(5, 36), "b": numbers(5)}),
}


def _turned() -> tvm.IRModule:
    """A network that adds a constant with its axes in another order, reshaped."""
    builder, x = relax.BlockBuilder(), relax.Var("x", relax.TensorType((1, 4, 9), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            turned = builder.emit(relax.op.permute_dims(relax.const(numbers(9, 1, 2, 2)), [1, 2, 3, 0]))
            result = builder.emit_output(relax.op.add(x, relax.op.reshape(turned, (1, 4, 9))))
        builder.emit_func_output(result)
    return builder.finalize()


@pytest.mark.parametrize(("body", "weights"), NETWORKS.values(), ids=NETWORKS)
def test_what_moves_a_constant_is_done_and_the_rest_of_the_network_is_as_it_was(body: str, weights: Any) -> None:
    module = import_onnx(read_onnx(parsed(body, "float[1, 4, 9] x", weights=weights)))
    before = structural_hash(module)
    moved = tvm.relax.transform.CanonicalizeBindings()(ReshapeConstants()(module))
    assert structural_hash(module) == before
    assert _moved(module) != []
    assert _moved(moved) == []
    fold = tvm.transform.Sequential([relax.transform.FoldConstant(), relax.transform.CanonicalizeBindings()])
    assert structural_equal(fold(moved), fold(module))


def test_axes_of_a_constant_are_put_in_order_and_a_chain_is_left_to_the_next_fold() -> None:
    module = _turned()
    moved = ReshapeConstants()(module)
    assert _moved(module) == ["relax.permute_dims"]
    assert "relax.permute_dims" not in _moved(moved)
    fold = tvm.transform.Sequential([relax.transform.FoldConstant(), relax.transform.CanonicalizeBindings()])
    assert structural_equal(fold(moved), fold(module))


def test_maps_are_left_alone() -> None:
    module = import_onnx(read_onnx(parsed("y = Transpose<perm=[0, 2, 1]>(x)", "float[1, 4, 9] x")))
    assert structural_equal(ReshapeConstants()(module), module)
