"""What readers of operators are given."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from rdpass.onnx.reading.call import Call, Network, Unreadable, tensor_of
from tests.onnx.normalise.models import parsed


def _call(body: str, **weights: object) -> Call:
    model = parsed(body, weights=weights)
    node = next(iter(ir.from_proto(model).graph))
    network = Network()
    for value in node.inputs:
        if value is not None and value.const_value is None:
            network.values[value] = network.graph.placeholder("x")
    return Call(node, network)


def test_numbers_are_numbers_where_they_change_neither_shape_nor_type() -> None:
    assert _call("y = Add(x, a)", a=np.float32(2)).number(1) == 2
    assert isinstance(_call("y = Add(x, a)", a=np.ones((1, 1, 1, 1, 1), np.float32)).number(1), torch.fx.Node)
    assert isinstance(_call("y = Add(x, a)", a=np.ones(8, np.float32)).number(1), torch.fx.Node)


def test_attributes_and_constant_inputs_are_read_alike() -> None:
    assert _call("y = Squeeze(x, a)", a=np.array([0])).integers("axes", 1) == (0,)
    assert _call("y = Softmax<axis=2>(x)").integers("axis", 1) == (2,)
    assert _call("y = Softmax(x)").integers("axis", 1) is None


def test_what_is_missing_is_named() -> None:
    call = _call("y = Clip(x, , m)", m=np.float32(1))
    with pytest.raises(Unreadable, match="its input 1 is left out"):
        call.value(1)
    with pytest.raises(Unreadable, match="its weight is no constant"):
        call.constant(0, "weight")
    with pytest.raises(Unreadable, match="the size of its result is not known"):
        _call("a = Clip(x, , m) y = Relu(a)", m=np.float32(1)).result_shape()
    assert (call.has(1), call.has(2), call.has(3)) == (False, True, False)


def test_names_are_free_and_fit_for_python() -> None:
    network = Network()
    kept = [network.hold(name, nn.ReLU()) for name in ("/a/b.c", "/a/b.c", "0", "", "forward")]
    assert kept == ["a_b_c", "a_b_c_1", "_0", "value", "forward_1"]


def test_arrays_become_tensors_of_their_own() -> None:
    array = np.arange(6).reshape(2, 3).T
    tensor = tensor_of(array)
    tensor[0, 0] = 9
    assert array[0, 0] == 0
    assert tuple(tensor_of(np.float32(1)[()] * np.ones(())).shape) == ()
