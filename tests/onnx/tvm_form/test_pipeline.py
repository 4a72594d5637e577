"""A model that TVM takes as it is stays so."""

from __future__ import annotations

import numpy as np

from rdpass.deploy.lowering import known_operators
from rdpass.onnx.tvm_form.pipeline import tvm_form
from tests.onnx.nets import Net
from tests.onnx.normalise.models import numbers, parsed
from tests.onnx.tvm_form.form import form, operators


def test_it_is_the_same_object() -> None:
    net = Net((1, 3, 8, 8))
    model = net.model(net.relu(net.norm(net.conv("x0", 3, 4, 3), 4)))
    assert tvm_form(model, known_operators(), "net") is model


def test_a_resize_with_all_its_defaults_written_out_stays() -> None:
    node = """Resize<mode="linear", keep_aspect_ratio_policy="stretch", antialias=0, exclude_outside=0>(x, , s)"""
    model = parsed(f"y = {node}", weights={"s": np.float32([1, 1, 2, 2])})
    assert tvm_form(model, known_operators(), "net") is model


def test_names_stay_apart_where_one_operator_is_written_twice() -> None:
    body = "a = LpNormalization<axis=1>(x) b = LpNormalization<axis=2>(a) y = Conv(b, w)"
    assert operators(form(body, w=numbers(2, 4, 3, 3)))[-1] == "Conv"
