"""Operators that only look at memory differently stay one operator; all others become functions of TVM's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tvm import relax, tirx

from rdpass.deploy.lowering import tvm_target
from rdpass.passes.lowering.rewrite.legalize import LegalizeOpsButViews
from rdpass.targets.lookup import host_target
from tests.passes.lowering.lowered import operators_of

VIEWS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "reshape": (lambda x: relax.op.reshape(x, (6, 7)), (6, 7)),
    "flatten": (relax.op.flatten, (42,)),
    "squeeze": (lambda x: relax.op.squeeze(x, [0]), (3, 2, 7)),
    "expand dims": (lambda x: relax.op.expand_dims(x, [2, 5]), (1, 3, 1, 2, 7, 1)),
}


def legalized(*steps: Callable[[Any], Any]) -> Any:
    """A function of those operators, one behind the other, after the pass."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 3, 2, 7), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            value = x
            for step in steps:
                value = builder.emit(step(value))
            result = builder.emit_output(value)
        builder.emit_func_output(result)
    with tvm_target(host_target()):
        return LegalizeOpsButViews()(builder.get())


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_a_reshape_to_its_own_shape(name: str) -> None:
    make, shape = VIEWS[name]
    module = legalized(make)
    assert set(operators_of(module)) == {"relax.reshape"}
    assert not [f for _, f in module.functions_items() if isinstance(f, tirx.PrimFunc)]
    assert [int(extent) for extent in module["main"].ret_ty.shape.values] == list(shape)


def test_other_operators_become_functions_round_the_views() -> None:
    module = legalized(relax.op.nn.relu, relax.op.flatten, relax.op.exp)
    assert sorted(operators_of(module)) == ["relax.call_tir", "relax.call_tir", "relax.reshape"]
    assert len([f for _, f in module.functions_items() if isinstance(f, tirx.PrimFunc)]) == 2
