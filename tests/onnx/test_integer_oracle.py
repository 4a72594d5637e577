import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.errors import ConfigError
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet, fused_run, steps_apart

FEW = 0.005
"""The share of outputs that may be one step off where onnxruntime computes in float32: sums next to a half."""


def convolutions(draw, net, x, channels):
    """One to three convolutions one after the other; each is wider or narrower, strided, grouped or dilated."""
    for _ in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from([1, 1, 2, channels]))
        filters = channels * draw(st.sampled_from([1, 2])) if groups > 1 else draw(st.sampled_from([4, 8, 12]))
        kernel, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
        pad = dilation * (kernel // 2)
        sums = net.layer(
            x, "Conv", (filters, channels // groups, kernel, kernel), draw(st.sampled_from([None, 0])), group=groups,
            kernel_shape=[kernel] * 2, pads=[pad] * 4, strides=[stride] * 2, dilations=[dilation] * 2,
        )  # fmt: skip
        x = net.quantised(net.relu(sums) if draw(st.booleans()) else sums, draw(st.sampled_from([0.01, 0.017, 0.03])))
        channels = filters
    return x, channels


@st.composite
def networks(draw):
    """Convolutions, then perhaps an add, a concatenation, a pool or a resize, all between integers.

    Scales there are no simple multiples of each other: a mean of four would lie half between two steps too often.
    """
    net = QdqNet((draw(st.integers(1, 2)), 4, draw(st.integers(5, 12)), 9), seed=draw(st.integers(0, 99)),
                 kind=draw(st.sampled_from(["uint8", "int8"])))  # fmt: skip
    x, channels = convolutions(draw, net, net.quantised("x0"), 4)
    ending = draw(st.sampled_from(["none", "add", "concat", "max", "average", "global", "resize", "mul", "sigmoid"]))
    if ending in ("add", "mul", "concat"):
        other = net.quantised(net.layer(x, "Conv", (channels, channels, 1, 1), 0), 0.0191)
        operator = {"add": "Add", "mul": "Mul", "concat": "Concat"}[ending]
        x = net.quantised(net.node(operator, x, other, **({"axis": 1} if ending == "concat" else {})), 0.0257)
    elif ending in ("max", "average"):
        pool = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [1, 0, 0, 1]}
        x = net.quantised(net.node("MaxPool" if ending == "max" else "AveragePool", x, **pool), 0.0213)
    elif ending == "global":
        x = net.quantised(net.node("GlobalAveragePool", x), 0.005)
    elif ending == "resize":
        sizes = net.constant(np.array([1, 1, 2, 2], np.float32))
        x = net.quantised(net.node("Resize", x, "", sizes, mode="nearest"), 0.02)
    elif ending == "sigmoid":
        x = net.quantised(net.node("Sigmoid", x), 1 / 256, 0 if net.kind == np.uint8 else -128)
    return net, x


@settings(max_examples=60)
@given(networks())
def test_a_network_is_onnxruntimes_in_float_but_for_a_few_steps(made):
    net, x = made
    model, example = net.integers_out(x), net.example()
    (got,), (wanted,) = integer_run(model, example), run_onnx(model, example)
    most, share = steps_apart(got, wanted)
    assert most <= 1
    assert share <= max(FEW, 2 / got.size)


@settings(max_examples=30)
@given(st.data())
def test_convolutions_are_onnxruntimes_integer_kernels_exactly(data):
    net = QdqNet((1, 4, 9, 9), seed=data.draw(st.integers(0, 99)))
    x, _ = convolutions(data.draw, net, net.quantised("x0"), 4)
    model, example = net.integers_out(x), net.example()
    assert (integer_run(model, example)[0] == fused_run(model, example)[0]).all()


def test_layers_that_are_not_quantised_are_computed_in_float64():
    net = QdqNet((2, 4, 6, 6))
    hidden = net.quantised(net.conv("x0", 4, 8, 3))
    y = net.conv(net.relu(net.layer(hidden, "Conv", (4, 8, 1, 1), 0)), 4, 3)
    model, given_ = net.model(y), net.example()
    (got,) = integer_run(model, given_)
    (wanted,) = run_onnx(model, given_)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted, atol=0.03 * np.abs(wanted).max())
    assert np.median(np.abs(got - wanted)) < 1e-5


def test_a_float_network_is_computed_as_it_is():
    net = Net((1, 3, 8, 8))
    pooled = net.node("GlobalAveragePool", net.relu(net.norm(net.conv("x0", 3, 8, 3, stride=2), 8)))
    y = net.node("Gemm", net.node("Flatten", pooled), net.numbers(8, 5), net.numbers(5))
    model, example = net.model(y), net.example()
    np.testing.assert_allclose(integer_run(model, example)[0], run_onnx(model, example)[0], atol=1e-6)


def test_a_file_is_read_and_outputs_keep_their_order(tmp_path):
    net = QdqNet((1, 4, 5, 5), (1, 4, 5, 5))
    first, second = net.quantised("x0", 0.02), net.quantised("x1", 0.05)
    total = net.quantised(net.add(first, second), 0.0377)
    model, example = net.model(total, second), net.example()
    onnx.save(model, tmp_path / "net.onnx")
    got = integer_run(tmp_path / "net.onnx", example)
    for mine, theirs in zip(got, run_onnx(model, example), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_can_not_be_computed_is_named():
    net = Net((1, 4))
    model = net.model(net.relu("x0"))
    model.opset_import.add(domain="other", version=1)
    model.graph.node[0].CopyFrom(onnx.helper.make_node("Strange", ["x0"], ["v0"], name="mine", domain="other"))
    with pytest.raises(ConfigError, match="node 'mine' \\(Strange\\) can't be computed in integers"):
        integer_run(model, net.example())
    with pytest.raises(ConfigError, match="takes 1 inputs \\(x0\\), not 2"):
        integer_run(model, [*net.example()] * 2)
