"""Whole networks: names, inputs, outputs, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.onnx.reading.network import read_into_torch
from rdpass.onnx.reading.registry import READERS
from tests.onnx.normalise.models import numbers, parsed
from tests.onnx.reading.read import layers, read


def test_modules_are_called_after_their_nodes_and_nothing_unused_is_kept() -> None:
    model = parsed("c = Conv(x, w) y = Relu(c) z = Sigmoid(c)", weights={"w": numbers(4, 3, 3, 3)})
    for node in model.graph.node:
        node.name = f"/features/0/{node.op_type}"
    module = read_into_torch(model, "net")
    assert [name for name, _ in module.named_children()] == ["features_0_Conv", "features_0_Relu"]


def test_several_inputs_and_outputs_keep_their_order() -> None:
    module = read(
        "a = Sub(x, z) b = Sub(z, x)",
        "float[3] x, float[3] z",
        "float[] b, float[] a, float[] b2".replace(", float[] b2", ""),
    )
    assert [node.name for node in module.graph.nodes if node.op == "placeholder"] == ["x", "z"]


def test_names_that_are_no_names_in_python() -> None:
    model = parsed("y = Relu(x)")
    model.graph.input[0].name = model.graph.node[0].input[0] = "input.1:0"
    assert torch.equal(read_into_torch(model, "net")(-torch.ones(1, 3, 8, 8)), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("word", ["class", "self", "für", "层", "0"])
def test_words_of_python_and_other_scripts_are_names(word: str) -> None:
    model = parsed("c = Conv(x, w) y = Relu(c)", weights={"w": numbers(4, 3, 3, 3)})
    model.graph.input[0].name = model.graph.node[0].input[0] = word
    model.graph.node[0].name = model.graph.node[1].name = model.graph.name = word
    module = read_into_torch(model, "net")
    assert module(torch.zeros(2, 3, 8, 8)).shape == (2, 4, 6, 6)
    assert module.code.isascii()


def test_a_weight_that_two_layers_share_is_right_in_both() -> None:
    assert layers(read("a = Conv(x, w) b = Conv(x, w) y = Add(a, b)", w=numbers(6, 6, 3, 3))) == ["Conv2d", "Conv2d"]


@pytest.mark.parametrize(
    ("body", "operator"), [("y = Det(x) z = NonZero(x)", "NonZero"), ("y = LSTM(x, w, r)", "LSTM")]
)
def test_an_operator_without_a_reader_is_refused_by_its_node(body: str, operator: str) -> None:
    assert operator not in READERS
    model = parsed(body, "float[3, 2, 4] x", "float[] y", weights={"w": numbers(1, 20, 4), "r": numbers(1, 20, 5)})
    model.graph.node[-1].name = "culprit"
    if operator == "NonZero":
        model.graph.node.pop(0)
        model.graph.node[0].output[0] = "y"
    with pytest.raises(ConfigError, match=f"net: node 'culprit' is a {operator}, which can't be read into torch"):
        read_into_torch(model, "net")


def test_the_module_trains_with_batches_of_any_size() -> None:
    body = "c = Conv(x, w) r = Relu(c) p = GlobalAveragePool(r) f = Reshape(p, s) y = Gemm(f, d)"
    module = read(body, "float[1, 3, 8, 8] x", w=numbers(4, 3, 3, 3), s=np.array([1, 4]), d=numbers(4, 5))
    module(torch.randn(6, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("group", [0, 3])
def test_groups_that_torch_has_no_layer_for_are_refused_by_the_node(group: int) -> None:
    model = parsed(f"y = Conv<group={group}>(x, w)", "float[1, 4, 8, 8] x", weights={"w": numbers(4, 4, 3, 3)})
    with pytest.raises(ConfigError, match=r"is a Conv, which can't be read into torch: .*groups"):
        read_into_torch(model, "net")
