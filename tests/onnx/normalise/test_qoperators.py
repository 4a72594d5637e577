"""Operators of integers, each by itself and in files that onnxruntime's quantiser wrote."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from rdpass.core.errors import ConfigError
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.normalise.pipeline import normalise
from rdpass.onnx.normalise.qoperators import has_qoperators, rewrite_qoperators
from rdpass.onnx.oracle import run_onnx
from tests.onnx.qdq import QdqNet, steps_apart
from tests.passes.quantize.nets import images, plain_student, residual

U8, S8, F32 = TensorProto.UINT8, TensorProto.INT8, TensorProto.FLOAT
MICROSOFT = "com.microsoft"


class Linear:
    """Nodes on integers between an input and an output of integers."""

    def __init__(self, *shapes, kind=np.uint8, opset=18):
        self.kind, self.opset = np.dtype(kind), opset
        self.random, self.nodes, self.weights = np.random.default_rng(1), [], []
        self.inputs = {f"x{index}": shape for index, shape in enumerate(shapes)}

    def constant(self, values):
        self.weights.append(from_array(np.asarray(values), f"w{len(self.weights)}"))
        return self.weights[-1].name

    def scale(self, value, zero=None):
        """Names of a scale and a zero point."""
        zero = (128 if self.kind == np.uint8 else 3) if zero is None else zero
        return self.constant(np.float32(value)), self.constant(np.asarray(zero, self.kind))

    def node(self, operator, *inputs, domain="", **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def model(self, output, kind=None):
        type_of = helper.np_dtype_to_tensor_dtype(self.kind)
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info(n, type_of, s) for n, s in self.inputs.items()],
            [helper.make_tensor_value_info(output, kind or type_of, None)], self.weights,
        )  # fmt: skip
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    def example(self, seed=0):
        info, random = np.iinfo(self.kind), np.random.default_rng(seed)
        return [random.integers(info.min, info.max, s, endpoint=True).astype(self.kind) for s in self.inputs.values()]


def compared(net, output, most=0, share=0.0, kind=None):
    """What the rewritten model computes, in ONNX Runtime and in integers, is what ONNX Runtime makes of the file."""
    model = net.model(output, kind)
    before = model.SerializeToString()
    rewritten = rewrite_qoperators(model, "the file")
    assert model.SerializeToString() == before
    assert not has_qoperators(rewritten)
    assert {node.domain for node in rewritten.graph.node} == {""}
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(rewritten, strict_mode=True))
    for seed in range(3):
        given = net.example(seed)
        (wanted,) = run_onnx(model, given)
        assert np.ptp(wanted.astype(float)) > 0
        for (got,) in (integer_run(rewritten, given), run_onnx(rewritten, given)):
            assert got.shape == wanted.shape
            found = steps_apart(got, wanted)
            assert found[0] <= most
            assert found[1] <= share
    return rewritten


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("opset", [11, 18])
def test_a_convolution(kind, several, biased, opset):
    net = Linear((1, 4, 7, 6), kind=kind, opset=opset)
    scales = np.array([0.011, 0.02, 0.015] if several else [0.01], np.float32)
    w = net.constant(net.random.integers(-60, 60, (3, 4, 3, 3)).astype(np.int8))
    given = [w, net.constant(scales), net.constant(np.zeros(len(scales), np.int8)), *net.scale(0.3)]
    bias = [net.constant(net.random.integers(-3000, 3000, 3).astype(np.int32))] if biased else []
    y = net.node("QLinearConv", "x0", *net.scale(0.05), *given, *bias, strides=[2, 1], pads=[1, 1, 1, 1])
    if opset >= 13:
        compared(net, y, 1, 0.02)
    else:  # as the pipeline has it: raised to an opset where channels have their scales
        result = normalise(net.model(y)).model
        given = net.example()
        assert steps_apart(integer_run(result, given)[0], run_onnx(net.model(y), given)[0])[0] <= 1


@pytest.mark.parametrize("several", [False, True])
def test_a_product_of_matrices(several):
    net = Linear((3, 5, 8))
    scales = np.array([0.01, 0.02, 0.03, 0.04] if several else 0.02, np.float32)
    b = net.constant(net.random.integers(-60, 60, (8, 4)).astype(np.int8))
    zero = net.constant(np.zeros(scales.shape, np.int8))
    y = net.node("QLinearMatMul", "x0", *net.scale(0.05), b, net.constant(scales), zero, *net.scale(0.2137))
    compared(net, y, 1, 0.03)


@pytest.mark.parametrize("floating", [False, True])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm(floating, transposed):
    net = Linear((3, 8))
    b = net.constant(net.random.integers(-60, 60, (4, 8) if transposed else (8, 4)).astype(np.int8))
    c = net.constant(net.random.integers(-999, 999, 4).astype(np.int32))
    given = [b, net.constant(np.float32(0.02)), net.constant(np.int8(0)), c]
    y = net.node("QGemm", "x0", *net.scale(0.05), *given, *(() if floating else net.scale(0.2137)), domain=MICROSOFT,
                 transB=transposed)  # fmt: skip
    if not floating:
        compared(net, y, 1, 0.05)
        return
    model, example = net.model(y, F32), net.example()
    rewritten = rewrite_qoperators(model, "the file")
    np.testing.assert_allclose(run_onnx(rewritten, example)[0], run_onnx(model, example)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_sums_and_products_of_two(operator, kind):
    net = Linear((2, 3, 4, 5), (2, 3, 4, 5), kind=kind)
    inputs = ["x0", *net.scale(0.0213), "x1", *net.scale(0.0171, 7), *net.scale(0.0331)]
    compared(net, net.node(operator, *inputs, domain=MICROSOFT), 1, 0.02)


def test_functions_of_one():
    for operator, attributes in (("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1})):
        net = Linear((2, 3, 4, 5))
        y_scale = net.scale(1 / 256, 0) if operator == "QLinearSigmoid" else net.scale(0.0231)
        y = net.node(operator, "x0", *net.scale(0.0213), *y_scale, domain=MICROSOFT, **attributes)
        compared(net, y, 1, 0.02)


def test_pools_and_means():
    pool = {"kernel_shape": [2, 2], "strides": [1, 2], "pads": [0, 1, 1, 0]}
    for operator, attributes in (("QLinearGlobalAveragePool", {}), ("QLinearAveragePool", pool)):
        net = Linear((2, 3, 6, 5))
        y = net.node(operator, "x0", *net.scale(0.0213), *net.scale(0.0117), domain=MICROSOFT, **attributes)
        compared(net, y, 1, 0.03)
    for opset in (13, 18):
        net = Linear((2, 3, 6, 5), opset=opset)
        y = net.node("QLinearReduceMean", "x0", *net.scale(0.0213), *net.scale(0.0117), domain=MICROSOFT, axes=[2, 3],
                     keepdims=1)  # fmt: skip
        rewritten = rewrite_qoperators(net.model(y), "the file")
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(rewritten, strict_mode=True))
        got = integer_run(rewritten, net.example())[0].astype(int)
        mean = (net.example()[0].astype(float) - 128).mean((2, 3), keepdims=True)
        assert np.abs(got - 128 - mean * 0.0213 / 0.0117).max() <= 0.51


def test_a_concatenation_of_unequal_scales():
    net = Linear((2, 3, 4, 5), (2, 2, 4, 5))
    inputs = [*net.scale(0.0257), "x0", *net.scale(0.0213), "x1", *net.scale(0.0171, 7)]
    compared(net, net.node("QLinearConcat", *inputs, domain=MICROSOFT, axis=1), 1, 0.02)


def test_what_moves_integers_stays_between_integers_of_one_scale():
    net = Linear((1, 4, 6, 6), (1, 4, 6, 6))
    inputs = ["x0", *net.scale(0.0213), "x1", *net.scale(0.0171, 7), *net.scale(0.0331, 120)]
    x = net.node("QLinearAdd", *inputs, domain=MICROSOFT)
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    x = net.node("Reshape", x, net.constant(np.array([1, -1], np.int64)))
    rewritten = compared(net, x, 1, 0.03)
    kinds = [node.op_type for node in rewritten.graph.node]
    for operator in ("MaxPool", "Transpose", "Reshape"):
        place = kinds.index(operator)
        assert (kinds[place - 1], kinds[place + 1]) == ("DequantizeLinear", "QuantizeLinear")


def test_sums_as_they_are():
    net = Linear((1, 4, 7, 6))
    w = net.constant(net.random.integers(-60, 60, (3, 4, 3, 3)).astype(np.int8))
    y = net.node("ConvInteger", "x0", w, net.constant(np.uint8(100)), pads=[1, 1, 1, 1])
    compared(net, y, kind=TensorProto.INT32)
    net = Linear((3, 8))
    b = net.constant(net.random.integers(0, 255, (8, 4)).astype(np.uint8))
    y = net.node("MatMulInteger", "x0", b, net.constant(np.uint8(100)), net.constant(np.uint8(90)))
    compared(net, y, kind=TensorProto.INT32)


class Images(CalibrationDataReader):
    def __init__(self, shape):
        self.left = iter(images(shape))

    def get_next(self):
        feed = next(self.left, None)
        return feed and {"x0": feed[0]}


TYPES = {"u8s8": (QuantType.QUInt8, QuantType.QInt8), "s8s8": (QuantType.QInt8, QuantType.QInt8),
         "u8u8": (QuantType.QUInt8, QuantType.QUInt8)}  # fmt: skip


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize(("build", "shape"), [(plain_student, (1, 3, 9, 9)), (residual, (1, 3, 11, 9))])
def test_a_file_of_onnxruntimes_quantiser_is_computed_as_it_computes_it(opset, types, build, shape, tmp_path):
    model = build()
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "float.onnx")
    activations, weights = TYPES[types]
    quantize_static(
        str(tmp_path / "float.onnx"), str(tmp_path / "int8.onnx"), Images(shape), quant_format=QuantFormat.QOperator,
        activation_type=activations, weight_type=weights, per_channel=types == "u8s8" and opset > 11,
    )  # fmt: skip
    given = onnx.load(tmp_path / "int8.onnx")
    assert has_qoperators(given)
    result = normalise(given)
    assert result.reference == given
    assert not has_qoperators(result.model)
    onnx.checker.check_model(result.model)
    last = [node for node in result.model.graph.node if node.op_type == "QuantizeLinear"][-1]
    step = float(next(onnx.numpy_helper.to_array(t) for t in result.model.graph.initializer if t.name == last.input[1]))
    for feed in images(shape, 3, seed=9):
        (wanted,) = run_onnx(given, feed)
        (got,) = integer_run(result.model, feed)
        np.testing.assert_array_equal(integer_run(given, feed)[0], got)
        assert np.abs(got - wanted).max() <= 1.01 * step
        assert (got != 0).any()


def test_weights_of_integers_and_inputs_measured_at_run_time(tmp_path):
    onnx.save(plain_student(), tmp_path / "float.onnx")
    quantize_dynamic(str(tmp_path / "float.onnx"), str(tmp_path / "int8.onnx"), weight_type=QuantType.QUInt8)
    given = onnx.load(tmp_path / "int8.onnx")
    assert {"ConvInteger", "DynamicQuantizeLinear"} <= {node.op_type for node in given.graph.node}
    rewritten = rewrite_qoperators(given, "the file")
    (feed,) = images((1, 3, 9, 9), 1)
    np.testing.assert_allclose(run_onnx(rewritten, feed)[0], run_onnx(given, feed)[0], rtol=1e-4, atol=1e-5)


def test_onnxruntimes_own_linear_operators_become_onnxs():
    net = Linear((2, 3))
    x = net.node("DequantizeLinear", "x0", *net.scale(0.02), domain=MICROSOFT)
    y = net.node("QuantizeLinear", net.node("Relu", x), *net.scale(0.03, 0), domain=MICROSOFT)
    compared(net, y)


def test_a_model_without_them_is_itself():
    net = QdqNet((1, 3))
    model = net.model(net.quantised("x0"))
    assert rewrite_qoperators(model, "the file") is model


def test_what_has_no_like_is_named():
    net = Linear((2, 3, 6, 5))
    y = net.node("QLinearGlobalAveragePool", "x0", *net.scale(0.02), *net.scale(0.01), domain=MICROSOFT,
                 channels_last=1)  # fmt: skip
    with pytest.raises(ConfigError, match=r"net\.onnx: node 'v0' is a QLinearGlobalAveragePool with channels last"):
        rewrite_qoperators(net.model(y), "net.onnx")
    net = Linear((3, 8))
    scales = net.constant(np.array([0.1, 0.2, 0.3], np.float32))
    zeros = net.constant(np.zeros(3, np.uint8))
    b = net.constant(np.ones((8, 4), np.int8))
    y = net.node("QLinearMatMul", "x0", scales, zeros, b, net.constant(np.float32(0.1)), net.constant(np.int8(0)),
                 *net.scale(0.2))  # fmt: skip
    with pytest.raises(ConfigError, match="a scale for each row; use one for all"):
        rewrite_qoperators(net.model(y), "net.onnx")
