"""Operators by ONNX's own definitions."""

from __future__ import annotations

from rdpass.onnx.tvm_form.expand_functions import expand_functions
from tests.onnx.normalise.models import parsed
from tests.onnx.tvm_form.form import form, operators


def test_what_tvm_lacks_is_written_in_what_it_has() -> None:
    assert "Celu" not in operators(form("y = Celu<alpha=2.0>(x)"))


def test_what_is_known_or_has_no_definition_stays() -> None:
    model = parsed("y = Relu(x)")
    assert expand_functions(model, {"Relu"}) is model
    assert expand_functions(parsed("y = Det(x)"), {"Relu"}).graph.node[0].op_type == "Det"


def test_an_operator_whose_name_tvm_knows_of_others_is_written_by_onnxs_definition() -> None:
    formed = form("y = Attention<q_num_heads=2, kv_num_heads=2>(x, x, x)", "float[1, 5, 8] x", opset=23)
    assert "Attention" not in operators(formed)
