"""What constants alone decide is computed as TVM would, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import relax
from tvm_ffi import structural_equal, structural_hash

from rdpass.passes.lowering.dataflow import array_of, operator_of, read_dataflow
from rdpass.passes.lowering.rewrite.fold_constants import FoldConstants


def network(write: Callable[[relax.BlockBuilder, Any], Any]) -> tvm.IRModule:
    builder, x = relax.BlockBuilder(), relax.Var("x", relax.TensorType((2, 3), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(write(builder, x))
        builder.emit_func_output(result)
    return builder.finalize()


def ones(*shape: int) -> Any:
    return relax.const(np.ones(shape, "float32"))


def chain(builder: relax.BlockBuilder, x: Any) -> Any:
    """A chain of constants beside a chain of the input's."""
    half = builder.emit(relax.op.multiply(ones(3), relax.const(0.5)))
    third = builder.emit(relax.op.add(half, ones(3)))
    return builder.emit(relax.op.add(builder.emit(relax.op.nn.relu(x)), third))


def parts(builder: relax.BlockBuilder, x: Any) -> Any:
    """A tuple of constants, of which one is read."""
    pair = builder.emit(relax.op.split(ones(4, 3), 2, axis=0))
    return builder.emit(relax.op.add(x, builder.emit(relax.TupleGetItem(pair, 1))))


def written(builder: relax.BlockBuilder, x: Any) -> Any:
    """A function of TIR called with a constant."""
    doubled = builder.emit_te(lambda a: tvm.te.compute(a.shape, lambda *i: a[i] * 2.0), ones(2, 3))
    return builder.emit(relax.op.add(x, doubled))


def nothing(builder: relax.BlockBuilder, x: Any) -> Any:
    return builder.emit(relax.op.multiply(builder.emit(relax.op.add(x, ones(3))), ones(3)))


def shape(builder: relax.BlockBuilder, x: Any) -> Any:
    """Numbers made of the input's shape, which TVM folds though they read the input."""
    extents = builder.emit(relax.op.shape_to_tensor(builder.emit(relax.op.shape_of(x))))
    return builder.emit(relax.op.add(x, builder.emit(relax.op.sum(relax.op.astype(extents, "float32")))))


@pytest.mark.parametrize("write", [chain, parts, written, nothing, shape])
def test_a_network_is_what_tvm_makes_of_it(write: Any) -> None:
    module = network(write)
    before = structural_hash(module)
    tidy = tvm.transform.Sequential(
        [relax.transform.CanonicalizeBindings(), relax.transform.DeadCodeElimination(["main"])]
    )
    assert structural_equal(tidy(FoldConstants()(module)), tidy(relax.transform.FoldConstant()(module)))
    assert structural_hash(module) == before


def test_a_chain_of_constants_is_one_and_its_reader_reads_it() -> None:
    bindings = read_dataflow(FoldConstants()(network(chain))["main"]).bindings
    last = bindings[-1][1]
    assert operator_of(last) == "relax.add"
    assert np.array_equal(array_of(last.args[1]), [1.5, 1.5, 1.5])


def test_no_operator_of_the_input_is_made_a_function_to_find_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    call_te = relax.BlockBuilder.call_te
    monkeypatch.setattr(
        relax.BlockBuilder, "call_te", lambda *given, **named: made.append(given[1]) or call_te(*given, **named)
    )
    FoldConstants()(network(nothing))
    assert made == []
    relax.transform.FoldConstant()(network(nothing))
    assert len(made) == 2
