"""What TVM resizes otherwise than ONNX."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.tvm_form.form import form, operators


@pytest.mark.parametrize(
    ("attributes", "given", "numbers", "left"),
    [
        ('mode="linear"', "x, , , s", np.array([1, 4, 12, 14]), ["Resize"]),
        ('mode="linear", axes=[3, 2]', "x, , , s", np.array([14, 12]), ["Resize"]),
        ('mode="linear"', "x, , s", np.float32([1, 1, 0.6, 0.6]), ["MatMul", "MatMul"]),
        ('mode="cubic"', "x, , s", np.float32([1, 1, 0.8, 1.4]), ["MatMul", "MatMul"]),
        ('mode="linear", antialias=1', "x, , , s", np.array([1, 4, 3, 4]), ["MatMul", "MatMul"]),
        ('mode="linear", coordinate_transformation_mode="align_corners"', "x, , , s", np.array([1, 4, 1, 3]),
         ["MatMul", "MatMul"]),
        ('mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"', "x, , s",
         np.float32([1, 1, 1.7, 0.4]), ["Gather", "Gather"]),
        ('mode="linear"', "x, , , s", np.array([1, 8, 6, 7]), ["Transpose", "MatMul", "Transpose"]),
    ],
)  # fmt: skip
def test_forms(attributes: str, given: str, numbers: object, left: list[str]) -> None:
    assert operators(form(f"y = Resize<{attributes}>({given})", s=numbers)) == left


def test_later_coordinates() -> None:
    node = 'Resize<mode="linear", coordinate_transformation_mode="half_pixel_symmetric">(x, , s)'
    assert "Resize" not in operators(form(f"y = {node}", opset=19, s=np.float32([1, 1, 0.6, 1.3])))
