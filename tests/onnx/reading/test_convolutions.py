"""Convolutions of every rank, padding and group; transposed ones."""

from __future__ import annotations

import pytest

from rdpass.core.errors import ConfigError
from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import layers, read


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("bias", ["", ", b"])
def test_ranks(rank: int, bias: str) -> None:
    sizes = ", ".join(["7"] * rank)
    module = read(f"y = Conv<pads={[1] * (2 * rank)}>(x, w{bias})", f"float[1, 4, {sizes}] x",
                  w=numbers(6, 4, *[3] * rank), b=numbers(6))  # fmt: skip
    assert layers(module) == [f"Conv{rank}d"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("strides=[2, 1], dilations=[1, 2], pads=[1, 2, 1, 2]", ["Conv2d"]),
        ("pads=[0, 1, 2, 1]", ["ZeroPad2d", "Conv2d"]),
        ('auto_pad="SAME_UPPER", strides=[2, 2]', ["ZeroPad2d", "Conv2d"]),
        ("group=3", ["Conv2d"]),
    ],
)
def test_attributes(attributes: str, expected: list[str]) -> None:
    channels = 2 if "group" in attributes else 6
    module = read(f"y = Conv<{attributes}>(x, w, b)", w=numbers(6, channels, 3, 3), b=numbers(6))
    assert sorted(layers(module)) == sorted(expected)


@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1)])
@pytest.mark.parametrize("order", ["c, b", "b, c"])
def test_a_bias_added_behind_is_the_convolutions(shape: tuple[int, ...], order: str) -> None:
    module = read(f"c = Conv(x, w, a) y = Add({order})", w=numbers(6, 6, 3, 3), a=numbers(6), b=numbers(*shape))
    assert layers(module) == ["Conv2d"]
    assert "add" not in module.code
    kept = read("c = Conv(x, w) y = Add(c, b) z = Relu(c)", outputs="float[] y, float[] z",
                w=numbers(6, 6, 3, 3), b=numbers(6, 1, 1))  # fmt: skip
    assert "add" in kept.code  # the sum before the bias is read, too


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "attributes",
    ["strides={2}", "strides={2}, pads={1}{1}", "strides={3}, output_padding={2}, group=2", "dilations={2}",
     'strides={2}, auto_pad="SAME_UPPER"', 'strides={2}, auto_pad="SAME_LOWER"', "strides={2}, pads={0}{1}"],
)  # fmt: skip
def test_transposed(rank: int, attributes: str) -> None:
    for value in range(4):
        both = ", ".join([str(value)] * rank)
        attributes = attributes.replace(f"{{{value}}}", f"[{both}]")
    attributes = attributes.replace("][", ", ")
    groups = 2 if "group" in attributes else 1
    sizes = ", ".join(["5"] * rank)
    module = read(f"y = ConvTranspose<{attributes}>(x, w, b)", f"float[1, 4, {sizes}] x",
                  w=numbers(4, 6 // groups, *[3] * rank), b=numbers(6))  # fmt: skip
    assert layers(module) == [f"ConvTranspose{rank}d"]


@pytest.mark.parametrize(
    ("body", "inputs", "layers_left"),
    [
        ("y = Conv(x, w)", "float[1, 6, 8, 8] x, float[6, 6, 3, 3] w", []),
        ("t = Tanh(w) c = Conv<pads=[0, 1, 2, 1]>(x, t) y = Add(c, a)", "float[1, 6, 8, 8] x, float[6, 6, 3, 3] w",
         ["Tanh", "ZeroPad2d"]),
        ("y = Conv<group=2, strides=[2], dilations=[2]>(x, w, b)", "float[2, 4, 9] x, float[4, 2, 3] w, float[4] b",
         []),
        ("c = Conv(x, k, b) y = Add(c, a)", "float[1, 6, 8, 8] x, float[6] b", []),
    ],
)  # fmt: skip
def test_weights_and_biases_that_are_computed_are_given_to_torchs_function(body, inputs, layers_left) -> None:
    module = read(body, inputs, k=numbers(6, 6, 3, 3), a=numbers(6, 1, 1))
    assert layers(module) == layers_left
    assert "conv" in module.code


def test_transposed_weights_that_are_computed_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="node 'y' is a ConvTranspose, which can't be read into torch: its weight is"):
        read("y = ConvTranspose(x, w)", "float[1, 6, 8, 8] x, float[6, 6, 3, 3] w")
