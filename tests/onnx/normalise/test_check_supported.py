"""What no reader takes is refused by name, with a remedy."""

from __future__ import annotations

import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.onnx.normalise.pipeline import normalise
from tests.onnx.normalise.models import parsed


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    for node in model.graph.node:
        node.name = f"the_{node.op_type}"
    return model


def test_control_flow_on_numbers_is_refused() -> None:
    body = """s = ReduceMax<keepdims=0>(x) c = Cast<to=9>(s)
        y = If (c) <then_branch = t () => (float[] p) { p = Relu(x) },
                    else_branch = e () => (float[] q) { q = Neg(x) }>"""
    with pytest.raises(ConfigError, match="'the_If' is a If, which is not supported: its condition depends"):
        normalise(_named(parsed(body)))


def test_a_loop_is_refused() -> None:
    body = """n = Constant<value = int64 {3}>() t = Constant<value = bool {1}>()
        y = Loop (n, t, x) <body = b (int64 i, bool c, float[1, 3, 8, 8] s) => (bool d, float[1, 3, 8, 8] r)
        { d = Identity(c) r = Relu(s) }>"""
    with pytest.raises(ConfigError, match=r"'the_Loop' is a Loop.*unroll it"):
        normalise(_named(parsed(body)))


def test_an_operator_of_another_domain_is_refused() -> None:
    text = (
        '<ir_version: 8, opset_import: ["" : 18, "my.own" : 1]> net (float[1] x) => (float[1] y) { y = my.own.Foo(x) }'
    )
    with pytest.raises(ConfigError, match=r"'the_Foo' is a Foo of the domain 'my\.own'.*replace it"):
        normalise(_named(onnx.parser.parse_model(text)))
