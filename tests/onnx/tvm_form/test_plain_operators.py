"""Operators that TVM has in part."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.onnx.oracle import run_onnx
from tests.onnx.tvm_form.form import form, operators


def test_copies_of_a_map() -> None:
    assert operators(form("y = Tile(x, n)", n=np.array([1, 2, 1, 3]))) == ["Concat", "Concat"]


def test_pixels_into_channels_in_both_orders() -> None:
    body = "y = SpaceToDepth<blocksize=2>(x)"
    assert operators(form(body, "float[1, 3, 4, 6] x")) == ["SpaceToDepth"]


@pytest.mark.parametrize(
    ("node", "kind"), [("Pow(x, e)", "int64"), ("ReduceMax<keepdims=0>(x, a)", "bool"), ("ReduceMin(x, a)", "bool")]
)
def test_other_types(node: str, kind: str) -> None:
    opset = 20 if kind == "bool" else 18
    formed = form(f"y = {node}", f"{kind}[2, 3] x", f"{kind}[] y", opset, e=np.array([2, 3, 0]), a=np.array([1]))
    assert "Cast" in operators(formed)


def test_integers_as_exponents() -> None:
    assert operators(form("y = Pow(x, e)", e=np.array(2))) == ["Cast", "Pow"]
    assert operators(form("y = Pow(x, e)", e=np.float32(2))) == ["Pow"]


def test_infinities_of_one_sign() -> None:
    formed = form("y = IsInf<detect_negative=0>(x)", outputs="bool[] y")
    assert operators(formed) == ["Equal"]
    (found,) = run_onnx(formed, [np.full((1, 4, 6, 7), -np.inf, np.float32)])
    assert not found.any()


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_classes(axis: int) -> None:
    formed = form(f"y = OneHot<axis={axis}>(x, d, v)", "int64[2, 5] x", d=np.array(3), v=np.float32([0.5, 2]))
    assert "OneHot" not in operators(formed)
