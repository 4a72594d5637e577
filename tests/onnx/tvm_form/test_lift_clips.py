"""Clips of integers between a pair bound the numbers before it, to the same integers."""

import numpy as np
import pytest

from tests.onnx.normalise.models import numbers
from tests.onnx.tvm_form.form import form, operators

PAIR = "q = QuantizeLinear(x, s, z) c = Clip(q{bounds}) y = DequantizeLinear(c, s, z)"


def scales(zero, **bounds):
    return {"s": np.float32(0.037), "z": zero, **{name: zero.dtype.type(bound) for name, bound in bounds.items()}}


@pytest.mark.parametrize("zero", [np.int8(0), np.int8(-5), np.uint8(131)])
@pytest.mark.parametrize("bounds", [", lo, hi", ", lo", ", , hi"])
def test_the_bounds_are_those_of_the_numbers(zero, bounds):
    low, high = int(zero) - 7, int(zero) + 6
    formed = form(PAIR.format(bounds=bounds), **scales(zero, lo=low, hi=high))
    assert operators(formed) == ["Clip", "QuantizeLinear", "DequantizeLinear"]


def test_the_types_own_bounds_go():
    formed = form(PAIR.format(bounds=", lo, hi"), **scales(np.int8(3), lo=-128, hi=127))
    assert operators(formed) == ["QuantizeLinear", "DequantizeLinear"]


def test_who_else_reads_the_integers_reads_them_unbounded():
    body = PAIR.format(bounds=", lo, hi").replace("y =", "a =") + " b = DequantizeLinear(q, s, z) y = Sub(a, b)"
    formed = form(body, **scales(np.int8(3), lo=-9, hi=9))
    assert operators(formed).count("QuantizeLinear") == 2


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ("c = Clip(x, lo, hi) y = DequantizeLinear(c, s, z)", "int8[1, 4, 6, 7] x", "float[] y"),
        ("q = QuantizeLinear(x, s, z) y = Clip(q, lo, hi)", "float[1, 4, 6, 7] x", "int8[] y"),
        ("y = Clip(x, f, g)", "float[1, 4, 6, 7] x", "float[] y"),
    ],
)
def test_other_clips_stay(body, inputs, outputs):
    weights = {**scales(np.int8(3), lo=-9, hi=9), "f": np.float32(-0.5), "g": np.float32(0.5)}
    assert "Clip" in operators(form(body, inputs, outputs, **weights))


def test_a_layer_between_them_computes_in_bytes_where_its_map_is_read_twice():
    body = """q = QuantizeLinear(x, s, z) p = Clip(q, lo, hi) d = DequantizeLinear(p, s, z)
        v = DequantizeLinear(w, t, z) a = Conv<pads=[1, 1, 1, 1]>(d, v) b = Add(d, a) r = Relu(b)
        e = QuantizeLinear(r, s, z) f = Clip(e, lo, hi) y = DequantizeLinear(f, s, z)"""
    weights = np.clip(np.rint(40 * numbers(4, 4, 3, 3)), -127, 127).astype(np.int8)
    form(body, w=weights, t=np.float32(0.01), **scales(np.int8(0), lo=-127, hi=127))
