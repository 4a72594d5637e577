"""ONNX networks in float64: operators as ONNX defines them, sums over windows as torch has them in that type."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn import functional as F

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError
from rdpass.onnx.double_oracle import exact_of, run_in_double
from rdpass.onnx.oracle import run_onnx
from tests.onnx.normalise.models import parsed

RANDOM = np.random.default_rng(3)
G = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dtype=torch.float64)


def single(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def net(body, shape, weights=None, output="float", opset=20):
    """A network of the nodes in ``body`` from x to y."""
    return parsed(body, f"float[{', '.join(map(str, shape))}] x", f"{output}[] y", opset, weights)


def double(array):
    return torch.from_numpy(array).double()


@pytest.mark.parametrize(
    ("shape", "weights", "attributes", "keywords"),
    [
        ((2, 3, 7, 8), (5, 3, 3, 2), "strides = [2, 1], pads = [1, 0, 1, 0]", {"stride": (2, 1), "padding": (1, 0)}),
        ((1, 6, 9, 9), (6, 1, 3, 3), "group = 6, dilations = [2, 2]", {"groups": 6, "dilation": 2}),
        ((2, 4, 5, 5), (8, 1, 1, 1), "group = 4", {"groups": 4}),
        ((1, 4, 6, 6), (6, 2, 3, 3), "group = 2", {"groups": 2}),
        ((2, 3, 11), (4, 3, 5), "pads = [2, 2]", {"padding": 2}),
        ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2), "strides = [1, 2, 1]", {"stride": (1, 2, 1)}),
    ],
    ids=["strided", "depthwise", "multiplied", "grouped", "1-d", "3-d"],
)
def test_convolutions_are_torchs_in_float64(shape, weights, attributes, keywords):
    x, w, b = single(*shape), single(*weights), single(weights[0])
    model = net(f"y = Conv <{attributes}> (x, w, b)", shape, {"w": w, "b": b})
    (found,) = run_in_double(model, [x])
    wanted = (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3](double(x), double(w), double(b), **keywords)
    assert found.dtype == np.float64
    assert relative_error(found, wanted.numpy()) < 1e-15


def test_the_other_sums_over_windows_are_torchs_too():
    x, w = single(1, 4, 7, 7), single(4, 3, 3, 3)
    attributes = "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]"
    model = net(f"y = ConvTranspose <{attributes}> (x, w)", x.shape, {"w": w})
    wanted = F.conv_transpose2d(double(x), double(w), stride=2, padding=1, output_padding=1)
    assert relative_error(run_in_double(model, [x])[0], wanted.numpy()) < 1e-15
    pools = "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]"
    for operator, pool in (("MaxPool", F.max_pool2d), ("AveragePool", F.avg_pool2d)):
        more = ", count_include_pad = 1" if operator == "AveragePool" else ""
        (found,) = run_in_double(net(f"y = {operator} <{pools}{more}> (x)", x.shape), [x])
        assert relative_error(found, pool(double(x), 3, 2, 1).numpy()) < 1e-15


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("y = Sigmoid(x)", torch.sigmoid),
        ("y = Softmax <axis = 1> (x)", lambda x: x.softmax(1)),
        ("y = Erf(x)", torch.erf),
        ("y = ReduceMean <keepdims = 0> (x)", torch.mean),
        ("t = Cast <to = 1> (x) y = Tanh(t)", torch.tanh),
        ("y = Gelu(x)", F.gelu),
        ('y = Gelu <approximate = "tanh"> (x)', lambda x: F.gelu(x, approximate="tanh")),
        ("y = Celu(x)", F.celu),
        ("y = RMSNormalization <axis = -1, stash_type = 1> (x, s)", lambda x: F.rms_norm(x, (5,), eps=1e-5)),
        ("y = GroupNormalization <num_groups = 3, epsilon = 1e-3> (x, g, g)", lambda x: F.group_norm(x, 3, G, G, 1e-3)),
        ("y = LayerNormalization <axis = -1, stash_type = 1> (x, s)", lambda x: F.layer_norm(x, (5,))),
    ],
)
def test_operators_lose_nothing_to_float32(body, wanted):
    x = 20 * single(2, 6, 4, 5)
    (found,) = run_in_double(net(body, x.shape, {"s": np.ones(5, np.float32), "g": G.numpy()}, opset=23), [x])
    assert relative_error(found, wanted(double(x)).numpy()) < 1e-12  # attributes are float32


def test_faint_scores_have_all_their_digits_where_onnx_runtime_has_none():
    x = np.linspace(-30, -17, 14, dtype=np.float32).reshape(1, 1, 2, 7)
    model = net("y = Sigmoid(x)", x.shape)
    wanted = torch.sigmoid(double(x)).numpy()
    assert relative_error(run_in_double(model, [x])[0], wanted) < 1e-15
    assert relative_error(run_onnx(model, [x])[0], wanted) > 1e-3


def test_a_half_stays_a_half_and_whole_numbers_stay_whole():
    x = single(1, 2, 3, 4)
    (found,) = run_in_double(net("t = Cast <to = 10> (x) y = Cast <to = 1> (t)", x.shape), [x])
    assert np.array_equal(found, x.astype(np.float16).astype(np.float64))
    model = net("y = ArgMax <axis = 1> (x)", x.shape, output="int64")
    (found,) = run_in_double(model, [x])
    assert found.dtype == np.int64
    assert np.array_equal(found, x.argmax(1, keepdims=True))


def test_an_input_that_is_read_again_and_one_that_is_an_output_are_kept():
    x = single(1, 2, 3, 3)
    model = net("a = Relu(x) b = Neg(a) y = Add(b, x)", x.shape)
    model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, x.shape))
    found, kept = run_in_double(model, [x])
    assert np.array_equal(kept, np.maximum(x, 0).astype(np.float64))
    assert np.array_equal(found, x.astype(np.float64) - kept)


def test_what_can_not_be_computed_is_named_and_then_there_is_no_such_run():
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Strange", ["x"], ["y"], "odd", domain="of.others")],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2))],
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("of.others", 1)],
    )
    with pytest.raises(ConfigError, match=r"node 'odd' \(Strange\) can't be computed in float64"):
        run_in_double(model, [single(1, 2)])
    assert exact_of(model, [single(1, 2)])() is None


def test_an_exact_run_is_made_once_and_changes_nothing_it_is_given():
    x, model = single(1, 2, 3, 3), net("y = Sigmoid(x)", (1, 2, 3, 3))
    before, bytes_before = x.copy(), model.SerializeToString()
    exact = exact_of(model, [x])
    assert exact()[0] is exact()[0]
    assert np.array_equal(x, before)
    assert model.SerializeToString() == bytes_before
    onnx.checker.check_model(model)
