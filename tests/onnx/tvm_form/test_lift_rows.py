"""Maps of one dimension as rows: the kernels of two dimensions compute them, and views are left at the ends alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from rdpass.core.numeric_types import HALF
from rdpass.deploy.lowering import import_onnx, known_operators, lower_for, network_of
from rdpass.onnx.source import read_onnx
from rdpass.onnx.tvm_form.pipeline import tvm_form
from rdpass.passes.lowering.read.fallbacks import find_fallbacks, find_kernels
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.target import Target
from tests.onnx.normalise.models import numbers, parsed
from tests.onnx.qdq import QdqNet
from tests.onnx.tvm_form.form import form, operators
from tests.passes.lowering.quantised import called_exactly

LINE = "float[2, 4, 20] x"
W = {"w": numbers(6, 4, 3), "b": numbers(6), "v": numbers(6, 6, 1)}
ENDS = ["blocked", "fused_planar"]  # from the network's layout, and to it


def _lifted(body: str, inputs: str = LINE, **weights: Any) -> list[str]:
    """The operators that compute ``body``, its numbers ONNX Runtime's; no map of one dimension is computed on."""
    formed = form(body, inputs, **{**W, **weights})
    shapes = {
        v.name: len(v.type.tensor_type.shape.dim) for v in onnx.shape_inference.infer_shapes(formed).graph.value_info
    }
    assert all(shapes.get(node.output[0], 4) != 3 for node in formed.graph.node if node.op_type != "Reshape")
    found = operators(formed)
    assert "Reshape" not in found[1:-1]
    return [operator for operator in found if operator != "Reshape"]


@pytest.mark.parametrize(
    "layer",
    [
        "Conv<pads=[2, 0]>(x, w, b)",
        "Conv<pads=[4, 4], dilations=[2], strides=[2]>(x, w, b)",
        'Conv<auto_pad="SAME_LOWER", strides=[3]>(x, w)',
        "Conv<group=4>(x, g)",
        "ConvTranspose<strides=[2], pads=[1, 0], output_padding=[1]>(x, t)",
        "ConvTranspose<group=2, dilations=[2]>(x, t)",
        "MaxPool<kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=1>(x)",
        "AveragePool<kernel_shape=[3], strides=[2], pads=[1, 1], count_include_pad=1>(x)",
        "GlobalAveragePool(x)",
        "GlobalMaxPool(x)",
        "BatchNormalization(x, s, s, s, s)",
    ],
)
def test_layers_along_time_are_layers_of_one_row(layer: str) -> None:
    found = _lifted(f"y = {layer}", g=numbers(4, 1, 5), t=numbers(4, 3, 3), s=abs(numbers(4)))
    assert found == [layer[: layer.find("<") if "<" in layer else layer.find("(")]]


@pytest.mark.parametrize(
    ("between", "left"),
    [
        ("z = Relu(a)", ["Relu"]),
        ("z = PRelu(a, slope)", ["PRelu"]),
        ("z = Mul(a, slope)", ["Mul"]),
        ("z = Add(one, a)", ["Add"]),
        ("h = Sigmoid(a) z = Mul(a, h)", ["Sigmoid", "Mul"]),
        ("c = Conv<pads=[1, 1]>(x, w) z = Add(a, c)", ["Conv", "Add"]),
        ("c = Greater(a, one) z = Where(c, a, slope)", ["Greater", "Where"]),
        ("m = ReduceMean<keepdims=1>(a, last) z = Mul(a, m)", ["ReduceMean", "Mul"]),
        ("m = ReduceMax<keepdims=1>(a, channels) z = Sub(a, m)", ["ReduceMax", "Sub"]),
        ("p, q = Split<axis=-2, num_outputs=2>(a) z = Concat<axis=1>(q, p)", ["Split", "Concat"]),
        ("z = Softmax(a)", ["Softmax"]),
        ("z = Softmax<axis=1>(a)", ["Softmax"]),
        ("z = Pad(a, front, one)", ["Pad"]),
        ('z = Pad<mode="reflect">(a, two, , last)', ["Pad"]),
        ("z = Slice(a, start, stop, last, step)", ["Slice"]),
        ('z = Resize<mode="linear">(a, , scales)', ["Resize"]),
        ("f = Squeeze(a, none) u = Unsqueeze(f, row) z = Squeeze(u, row)", []),
    ],
)
def test_what_stands_between_computes_in_rows_too(between: str, left: list[str]) -> None:
    found = _lifted(
        f"a = Conv<pads=[1, 1]>(x, w, b) {between} y = Conv(z, v)", slope=numbers(6, 1), one=np.float32(0.3),
        last=np.array([-1]), channels=np.array([1]), front=np.array([0, 0, 2, 0, 0, 0]), two=np.array([2, 1]),
        start=np.array([17]), stop=np.array([1]), step=np.array([-3]), scales=np.float32([1, 1, 2]),
        none=np.array([], np.int64), row=np.array([2]),
    )  # fmt: skip
    assert found == ["Conv", *left, "Conv"]


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("m = ReduceMean<keepdims=0>(a, last) y = Gemm<transB=1>(m, f)", ["ReduceMean", "Gemm"]),
        ("g = GlobalAveragePool(a) h = Flatten(g) y = Gemm<transB=1>(h, f)", ["GlobalAveragePool", "Gemm"]),
        ("h = Flatten(a) y = MatMul(h, d)", ["MatMul"]),
        ("y = ReduceSum<keepdims=0>(a, channels)", ["ReduceSum"]),
    ],
)
def test_ends_read_the_row(end: str, left: list[str]) -> None:
    found = form(
        f"a = Conv<pads=[1, 1]>(x, w, b) {end}", LINE, f=numbers(5, 6), d=numbers(120, 5), last=np.array([2]),
        channels=np.array([1]), **W,
    )  # fmt: skip
    assert [operator for operator in operators(found) if operator != "Reshape"] == ["Conv", *left]


@pytest.mark.parametrize(
    "reader",
    [
        "y = Transpose<perm=[0, 2, 1]>(a)",
        "y = MatMul(a, d)",
        "y = Gather<axis=2>(a, last)",
        "y = LayerNormalization(a, s)",
        "y = CumSum(a, axis)",
        'y = Resize<mode="linear", coordinate_transformation_mode="align_corners">(a, , scales)',
    ],
)
def test_others_read_the_view(reader: str) -> None:
    found = operators(
        form(f"a = Conv<pads=[1, 1]>(x, w, b) {reader}", LINE, d=numbers(20, 5), last=np.array([-1]), s=numbers(20),
             axis=np.array(2), scales=np.float32([1, 1, 2]), **W)
    )  # fmt: skip
    assert found[:3] == ["Reshape", "Conv", "Reshape"]


def test_an_input_that_a_shortcut_reads_too_is_viewed_once() -> None:
    body = "a = Conv<pads=[1, 1]>(x, r) y = Add(a, x)"
    assert operators(form(body, LINE, r=numbers(4, 4, 3))) == ["Reshape", "Conv", "Add", "Reshape"]


def test_computed_weights_become_rows() -> None:
    assert operators(form("y = Conv(x, k)", "float[2, 4, 20] x, float[6, 4, 3] k")) == ["Reshape"] * 2 + [
        "Conv",
        "Reshape",
    ]


def test_convolutions_of_two_dimensions_between_an_unsqueeze_and_a_squeeze_need_none() -> None:
    layer = "{0}u = Unsqueeze({0}, axis) {0}c = Conv<pads=[0, 1, 0, 1]>({0}u, k) {0}s = Squeeze({0}c, axis) "
    layer += "{1} = Relu({0}s)"
    body = layer.format("x", "a") + " " + layer.format("a", "y")
    found = operators(form(body, LINE, k=numbers(4, 4, 1, 3), axis=np.array([2])))
    assert found == ["Unsqueeze", "Conv", "Relu", "Conv", "Relu", "Reshape"]


@pytest.mark.parametrize("body", ["y = Relu(x)", "y = Add(x, x)", "y = Transpose<perm=[0, 2, 1]>(x)"])
def test_a_network_without_such_layers_stays(body: str) -> None:
    model = read_onnx(parsed(body, LINE)).model
    assert tvm_form(model, known_operators(), "net") is model


# What computes them


def _computed_by(module: Any, target: Target) -> tuple[list[str], list[str]]:
    """The kinds of our kernels, and TVM's functions."""
    lowered = lower_for(module, target)
    ours = sorted("_".join(kernel.name.split("_")[:2]) for kernel in find_kernels(lowered) for _ in range(kernel.calls))
    return ours, sorted(fallback.function for fallback in find_fallbacks(lowered))


KWS = (
    "a = Conv(x, w) b = Relu(a) p = Pad(b, front) d = Conv<group=16, dilations=[2]>(p, dw) e = Conv(d, v) f = Relu(e) "
    "g = Add(f, b) c = Conv<pads=[4, 4], dilations=[2]>(g, k) s = Slice(c, begin, end, last) r = Relu(s) y = Add(r, g)"
)
WEIGHTS = {
    "w": numbers(16, 10, 1), "dw": numbers(16, 1, 5), "v": numbers(16, 16, 1), "k": numbers(16, 16, 3),
    "front": np.array([0, 0, 8, 0, 0, 0]), "begin": np.array([0]), "end": np.array([-4]), "last": np.array([2]),
}  # fmt: skip


@pytest.mark.parametrize("target", ["host", "rpi4"])
def test_a_causal_network_has_no_convolution_that_tvm_lowers(target: str) -> None:
    source = read_onnx(parsed(KWS, "float[1, 10, 50] x", weights=WEIGHTS))
    ours, others = _computed_by(import_onnx(source), host_target() if target == "host" else find_target(target))
    assert ours == ["f32_depthwise", "f32_direct", "f32_pointwise", "f32_pointwise"]
    assert others == ENDS


def test_a_causal_network_in_float16_has_none_either() -> None:
    target = find_target("rpi5")
    source = read_onnx(parsed(KWS, "float[1, 10, 50] x", weights=WEIGHTS))
    ours, others = _computed_by(network_of(source, target, HALF), target)
    assert ours == ["f16_depthwise", "f16_direct", "f16_pointwise", "f16_pointwise"]
    assert not any("conv" in name for name in others)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_a_quantised_sound_is_bytes_from_its_samples_on(kind: str) -> None:
    """A stem that quantises a wave of one channel, causal and depthwise layers, a shortcut, and the classes."""
    net = QdqNet((1, 1, 400), kind=kind)
    zero = 0 if kind == "uint8" else -128
    x = net.layer(net.quantised("x0", 0.02, 3), "Conv", (16, 1, 10), 0, strides=[5])
    x = net.quantised(net.relu(x), 0.05, zero)
    y = net.quantised(net.layer(x, "Conv", (16, 16, 3), 0, pads=[4, 0], dilations=[2]), 0.05)
    y = net.quantised(net.layer(y, "Conv", (16, 1, 5), 0, pads=[2, 2], group=16), 0.05)
    y = net.quantised(net.add(x, y), 0.05)
    names = called_exactly(net, y, off=1e-2)
    assert names[0].startswith("u8_quantized_stem")
    assert [name.split("_")[1] for name in names[1:3]] == ["direct", "depthwise"]
    assert not any("conv" in name for name in names)


def test_a_wave_of_one_channel_is_read_as_it_lies() -> None:
    body = "a = Conv<strides=[4]>(x, wave) r = Relu(a) y = MaxPool<kernel_shape=[4], strides=[4]>(r)"
    source = read_onnx(parsed(body, "float[1, 1, 400] x", weights={"wave": numbers(16, 1, 20)}))
    assert _computed_by(import_onnx(source), host_target()) == (["f32_stem"], ["fused_planar"])
