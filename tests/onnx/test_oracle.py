"""ONNX Runtime as the oracle: inputs in the model's order, nothing fused, outputs as the graph has them."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from rdpass.onnx.oracle import run_onnx
from tests.onnx.nets import Net


def test_a_network_computes_what_torch_computes():
    net = Net((2, 3, 7, 9))
    model = net.model(net.relu(net.norm(net.conv("x0", 3, 5, 3, stride=2), 5)))
    (x,) = net.example()
    weights = {each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in model.graph.initializer}
    conv, norm, _ = model.graph.node
    y = F.conv2d(torch.from_numpy(x), weights[conv.input[1]], weights[conv.input[2]], 2, 1)
    scale, shift, mean, variance = (weights[name] for name in norm.input[1:])
    wanted = F.relu(F.batch_norm(y, mean, variance, scale, shift))
    (got,) = run_onnx(model, [x])
    assert np.allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-5)


def test_inputs_and_outputs_come_in_the_models_order():
    net = Net((1, 2), (1, 2))
    model = net.model(net.node("Sub", "x1", "x0"), net.node("Neg", "x0"))
    first, second = np.float32([[1, 2]]), np.float32([[10, 20]])
    difference, negative = run_onnx(model, [first, second])
    assert np.array_equal(difference, second - first)
    assert np.array_equal(negative, -first)


def test_the_model_and_its_inputs_stay_as_they_were():
    net = Net((1, 3, 5, 5))
    model = net.model(net.conv("x0", 3, 4, 3))
    (x,) = net.example()
    before, bytes_before = x.copy(), model.SerializeToString()
    run_onnx(model, [x])
    assert np.array_equal(x, before)
    assert model.SerializeToString() == bytes_before


def test_nothing_is_optimised_for_that_is_what_simplification_is_compared_with(monkeypatch):
    asked = []
    session = onnxruntime.InferenceSession

    def remember(model, options, **more):
        asked.append(options.graph_optimization_level)
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", remember)
    net = Net((1, 2))
    run_onnx(net.model(net.relu("x0")), net.example())
    assert asked == [onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL]


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_or_too_many_inputs_are_an_error(count):
    net = Net((1, 2))
    with pytest.raises(ValueError, match="zip"):
        run_onnx(net.model(net.relu("x0")), net.example() * count)
