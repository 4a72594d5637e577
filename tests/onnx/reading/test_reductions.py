"""Reductions in both spellings of their axes."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
from tests.onnx.reading.read import read

OPERATORS = ["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"]


@pytest.mark.parametrize("keeps", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_axes_as_input_as_attribute_or_none(operator: str, keeps: int) -> None:
    node, positive = f"Reduce{operator}<keepdims={keeps}", operator == "LogSum"
    read(f"y = {node}>(x, a)", "float[2, 3, 4] x", positive=positive, a=np.array([1, -1]))
    read(f"y = {node}>(x)", "float[2, 3, 4] x", positive=positive)
    read(f"y = {node}, axes=[0, 2]>(x)", "float[2, 3, 4] x", positive=positive, opset=11)
    read(f"y = {node}, noop_with_empty_axes=1>(x)", "float[2, 3, 4] x", positive=positive)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
def test_places_of_extrema(operator: str, last: int) -> None:
    body = f"r = Relu(x) y = {operator}<axis=1, keepdims=0, select_last_index={last}>(r)"
    read(body, "float[3, 9] x", "int64[] y")


def test_running_sums_and_the_largest() -> None:
    read("y = CumSum<reverse=1>(x, a)", "float[3, 4] x", a=np.int64(1))
    read("y, i = TopK<largest=0>(x, k)", "float[3, 9] x", "float[] y, int64[] i", k=np.array([4]))
    read("y = ReduceSum(x, a)", "int32[3, 4] x", "int32[] y", a=np.array([0]))
    with pytest.raises(ConfigError, match="it is exclusive"):
        read("y = CumSum<exclusive=1>(x, a)", "float[3, 4] x", a=np.int64(1))
