"""Inputs and outputs as specs, and numbers for them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rdpass.core.errors import ConfigError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.tensor_specs import random_input, spec_of


def test_static_tensors_are_specs() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.INT64, [2, 3])
    assert spec_of(value, "net") == TensorSpec("x", (2, 3), "int64")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3]), "no static shape.*--input"),
        (helper.make_tensor_value_info("x", TensorProto.FLOAT, None), "no static shape"),
        (helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [1]), "of type bfloat16"),
        (helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None), "a sequence or a map"),
    ],
)
def test_others_are_refused(value: onnx.ValueInfoProto, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spec_of(value, "net")


def test_numbers_are_of_the_type_and_the_same_each_time() -> None:
    for dtype in ("float32", "float16", "int64", "uint8", "bool"):
        spec = TensorSpec("x", (4, 5), dtype)
        first, second, other = random_input(spec, 0), random_input(spec, 0), random_input(spec, 1)
        assert (first.dtype, first.shape) == (np.dtype(dtype), (4, 5))
        assert np.array_equal(first, second)
        assert not np.array_equal(first, other)
    assert random_input(TensorSpec("x", (99,), "uint8"), 0).max() > 100
