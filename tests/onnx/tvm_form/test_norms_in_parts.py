"""Normalisations that TVM has in part."""

from __future__ import annotations

import pytest

from tests.onnx.normalise.models import numbers
from tests.onnx.tvm_form.form import form, operators


def test_layer_norm_with_its_further_results() -> None:
    body = "y, m, d = LayerNormalization<axis=2>(x, a, b)"
    formed = form(body, outputs="float[] y, float[] m, float[] d", a=numbers(6, 7), b=numbers(6, 7))
    assert "LayerNormalization" not in operators(formed)
    assert [value.name for value in formed.graph.output] == ["y", "m", "d"]


def test_layer_norm_alone_is_left_to_tvm() -> None:
    assert operators(form("y = LayerNormalization(x, a)", a=numbers(7))) == ["LayerNormalization"]


@pytest.mark.parametrize("power", [1, 2])
def test_lengths(power: int) -> None:
    assert "LpNormalization" not in operators(form(f"y = LpNormalization<axis=1, p={power}>(x)"))
