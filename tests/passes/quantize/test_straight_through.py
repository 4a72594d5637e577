"""Rounding as ONNX defines it, with a gradient that does not see it."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.straight_through import FakeQuantize, IntegerWeights


def pair(scale, zero):
    """QuantizeLinear and DequantizeLinear alone, as ONNX Runtime computes them."""
    constants = [
        onnx.numpy_helper.from_array(np.float32(scale), "s"),
        onnx.numpy_helper.from_array(np.asarray(zero), "z"),
    ]
    value = lambda name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None])  # noqa: E731
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "pair", [value("x")], [value("y")], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize(("scale", "zero"), [(0.037, np.uint8(7)), (0.5, np.int8(-3)), (1 / 3, np.uint8(128))])
def test_numbers_are_those_of_onnx_runtime_at_ties_and_beyond_the_range(scale, zero):
    x = np.concatenate([np.arange(-300, 300) * np.float32(scale / 2), np.random.default_rng(0).normal(0, 40, 2000)])
    x = x.astype(np.float32)
    range_ = np.iinfo(zero.dtype)
    made = FakeQuantize(torch.tensor(np.float32(scale)), int(zero), int(range_.min), int(range_.max))
    np.testing.assert_array_equal(made(torch.from_numpy(x)).numpy(), run_onnx(pair(scale, zero), [x])[0])


def test_the_gradient_goes_through_rounding_and_not_through_clipping():
    x = torch.tensor([-1.3, -1.2, 0.3, 126.7, 126.8], requires_grad=True)
    FakeQuantize(torch.tensor(0.5), 2, 0, 255)(x).backward(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]


def test_half_precision_is_widened_before_it_is_divided():
    x = torch.linspace(0, 200, 999).to(torch.bfloat16)
    made = FakeQuantize(torch.tensor(0.7), 0, 0, 255)
    assert torch.equal(made(x), made(x.float()))
    assert made(x).dtype == torch.float32


def test_weights_begin_at_the_integers_that_they_were_made_of_and_learn_by_shares():
    scale = torch.tensor([0.013, 2.5])[:, None]
    integers = torch.tensor([[-127.0, 3.0], [127.0, -1.0]])
    how = IntegerWeights(scale, 127.0, torch.tensor(127.0))
    shares = how.right_inverse(integers * scale).requires_grad_()
    assert torch.equal(how.integers(shares), integers)
    assert torch.equal(how(shares), integers * scale)
    assert shares.abs().max().item() == pytest.approx(1.0)
    how(shares).sum().backward()
    assert torch.allclose(shares.grad, 127 * scale.expand(2, 2))


def test_an_integer_stays_within_its_own_limit_and_learns_no_further_outwards():
    how = IntegerWeights(torch.tensor(0.5), 127.0, torch.tensor([127.0, 32767.0]))
    shares = torch.tensor([1.5, 1.5], requires_grad=True)
    assert how.integers(shares).tolist() == [127.0, 190.0]
    how(shares).sum().backward()
    assert shares.grad.tolist() == [0.0, 63.5]
