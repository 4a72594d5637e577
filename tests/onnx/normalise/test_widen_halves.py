"""Files of half precision."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from rdpass.onnx.normalise.widen_halves import widen_halves
from rdpass.onnx.oracle import run_onnx
from tests.onnx.normalise.models import normalised, numbers, parsed

TYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def _half(dtype: str) -> onnx.ModelProto:
    weights = {"w": numbers(4, 3, 3, 3).astype(TYPES[dtype]), "a": np.ones((4, 1, 1), TYPES[dtype])}
    return parsed("c = Conv(x, w) y = Add(c, a)", f"{dtype}[1, 3, 8, 8] x", f"{dtype}[] y", weights=weights)


def _types(model: onnx.ModelProto) -> tuple[int, int, set[int]]:
    ends = (model.graph.input[0], model.graph.output[0])
    first, last = (value.type.tensor_type.elem_type for value in ends)
    return first, last, {tensor.data_type for tensor in model.graph.initializer}


def test_float16_computes_in_float32_between_ends_as_they_were() -> None:
    result = normalised(_half("float16"))
    assert _types(result.model) == (TensorProto.FLOAT16, TensorProto.FLOAT16, {TensorProto.FLOAT})
    assert result.notes == ("the ONNX model is in float16: computed in float32, which is the more exact",)
    x = numbers(1, 3, 8, 8, seed=1).astype(np.float16)
    (got,), (half,) = run_onnx(result.model, [x]), run_onnx(_half("float16"), [x])
    assert np.abs(got.astype(float) - half.astype(float)).max() <= 2e-2


def test_bfloat16_which_numpy_lacks_becomes_float32() -> None:
    widened, notes = widen_halves(_half("bfloat16"), "net")
    assert _types(widened) == (TensorProto.FLOAT, TensorProto.FLOAT, {TensorProto.FLOAT})
    assert notes == ("net is in bfloat16: computed in float32, which is the more exact",)


def test_casts_to_half_and_back_go() -> None:
    body = "h = Cast<to=10>(x) c = Conv(h, w) y = Cast<to=1>(c)"
    model = parsed(body, weights={"w": numbers(4, 3, 3, 3).astype(np.float16)})
    assert [node.op_type for node in normalised(model).model.graph.node] == ["Conv"]


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_other_models_are_left_alone(dtype: str) -> None:
    model = parsed("y = Relu(x)", f"{dtype}[1] x", f"{dtype}[] y")
    assert widen_halves(model, "net") == (model, ())
