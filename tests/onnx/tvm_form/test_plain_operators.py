"""Operators that TVM has in part."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
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


@pytest.mark.parametrize(
    ("pads", "written"),
    [
        ([0, 0, 2, 1, 0, 0, 6, 7], ["Slice", "Slice", "Concat"] * 2),
        ([0, 0, 0, 3, 0, 0, 0, 0], ["Slice", "Concat"]),
        ([0] * 8, ["Identity"]),
    ],
)
def test_padding_by_the_other_end(pads: list[int], written: list[str]) -> None:
    assert operators(form('y = Pad<mode="wrap">(x, p)', opset=19, p=np.array(pads))) == written


def test_padding_by_the_other_end_of_some_axes() -> None:
    formed = form('y = Pad<mode="wrap">(x, p, , a)', opset=19, p=np.array([1, 2]), a=np.array([-1]))
    assert operators(formed) == ["Slice", "Slice", "Concat"]


def test_padding_by_more_than_the_map_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"is a Pad, which can't be built: it wraps by more than its map"):
        form('y = Pad<mode="wrap">(x, p)', opset=19, p=np.array([0, 0, 7, 0, 0, 0, 0, 0]))
