"""What a Resize resizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from rdpass.onnx.interpolation import Resampling
from rdpass.onnx.normalise.resize import Axis, resampling_of, resized_axes
from tests.onnx.normalise.models import parsed


def _node(attributes: str, inputs: str, **weights: Any) -> ir.Node:
    return next(iter(ir.from_proto(parsed(f"y = Resize<{attributes}>({inputs})", weights=weights)).graph))


def test_scales_sizes_and_named_axes() -> None:
    both = (Axis(2, 8, 16, 2.0), Axis(3, 8, 12, 1.5))
    assert resized_axes(_node('mode="linear"', "x, , s", s=np.float32([1, 1, 2, 1.5]))) == both
    assert resized_axes(_node('mode="linear"', "x, , , s", s=np.array([1, 3, 16, 12]))) == both
    assert resized_axes(_node('mode="linear", axes=[3, 2]', "x, , s", s=np.float32([1.5, 2]))) == both


def test_one_ratio_where_proportions_are_kept() -> None:
    node = _node('keep_aspect_ratio_policy="not_larger", axes=[2, 3]', "x, , , s", s=np.array([16, 12]))
    axes = resized_axes(node)
    assert axes is not None
    assert {axis.scale for axis in axes} == {1.5}


def test_attributes() -> None:
    node = _node('mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1', "x, , s", s=np.float32([1, 1, 2, 2]))
    assert resampling_of(node) == Resampling("cubic", cubic=-0.5, exclude_outside=True)
