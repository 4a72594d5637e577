"""Open, wrong and given sizes of inputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.input_size import InputSize, parse_sizes
from rdpass.onnx.normalise.pin_sizes import pin_sizes
from tests.onnx.normalise.models import normalised, numbers, parsed

CONV = "y = Conv(x, w)"


def _shape(model: onnx.ModelProto, at: int = 0) -> list[int]:
    return [extent.dim_value for extent in model.graph.input[at].type.tensor_type.shape.dim]


def _net(sizes: str) -> onnx.ModelProto:
    return parsed(CONV, f"float[{sizes}] x", weights={"w": numbers(4, 3, 3, 3)})


@pytest.mark.parametrize("sizes", ["N, 3, H, W", "N, 3, N, N", "0, 3, 0, 0", "N, C, H, W"])
def test_open_sizes_are_those_given(sizes: str) -> None:
    pinned, notes = pin_sizes(_net(sizes), parse_sizes("2x3x9x7"), "net")
    assert (_shape(pinned), notes) == ([2, 3, 9, 7], ())
    assert normalised(_net(sizes), sizes=parse_sizes("x=2x3x9x7:float32")).model.graph.output


def test_negative_and_missing_sizes_are_open() -> None:
    negative, missing = _net("1, 3, 8, 8"), _net("1, 3, 8, 8")
    negative.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    missing.graph.input[0].type.tensor_type.ClearField("shape")
    for model in (negative, missing):
        assert _shape(pin_sizes(model, (InputSize((1, 3, 8, 8)),), "net")[0]) == [1, 3, 8, 8]
    assert _shape(pin_sizes(negative, (), "net")[0]) == [1, 3, 8, 8]
    assert _shape(pin_sizes(missing, (), "net", guess=True)[0]) == [1, 3, 224, 224]


def test_an_open_batch_alone_is_one_and_said_so() -> None:
    pinned, notes = pin_sizes(_net("N, 3, 8, 8"), (), "net")
    assert _shape(pinned) == [1, 3, 8, 8]
    assert notes == ("net: 'x' is taken as 1x3x8x8; set it with --input",)


def test_other_open_sizes_are_refused_with_the_option_to_write_or_guessed() -> None:
    with pytest.raises(ConfigError, match=r"'x' has no static shape, but \?x3x\?x\?.*--input x=1x3x224x224"):
        pin_sizes(_net("N, 3, H, W"), (), "net")
    pinned, notes = pin_sizes(_net("N, C, H, W"), (), "net", guess=True)
    assert _shape(pinned) == [1, 3, 224, 224]  # the convolution reads 3 channels
    assert "taken as 1x3x224x224" in notes[0]
    last, _ = pin_sizes(parsed("y = Relu(x)", "float[N, H, W, 3] x"), (), "net", guess=True)
    assert _shape(last) == [1, 224, 224, 3]
    with pytest.raises(ConfigError, match="--input"):
        pin_sizes(parsed("y = Relu(x)", "float[N, T] x"), (), "net", guess=True)


def test_a_file_frozen_at_another_batch_takes_one_of_one() -> None:
    body = "c = Conv(x, w) f = Reshape(c, s) y = Relu(f)"
    model = parsed(body, "float[10, 3, 8, 8] x", weights={"w": numbers(4, 3, 3, 3), "s": np.array([10, -1])})
    result = normalised(model, sizes=parse_sizes("1x3x8x8"))
    (spec,) = result.model.graph.output
    assert [extent.dim_value for extent in spec.type.tensor_type.shape.dim] in ([1, 144], [])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("z=1x3x8x8", "has the inputs x=1x3x8x8"),
        ("1x3x8x8,1x3", "has the inputs x=1x3x8x8"),
        ("1x3x8", "takes 'x' as 1x3x8x8"),
        ("1x3x8x8:int64", "takes 'x' as float32"),
        ("1x4x8x8", "does not take inputs of the size x=1x4x8x8.*--input"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        normalised(_net("1, 3, 8, 8"), sizes=parse_sizes(sizes))


def test_a_size_that_only_running_shows_to_be_wrong_is_refused() -> None:
    model = parsed("f = Flatten(x) y = Gemm(f, w)", "float[N, 3, H, W] x", weights={"w": numbers(192, 5)})
    with pytest.raises(ConfigError, match=r"does not take inputs of the size x=1x3x9x9.*--input"):
        normalised(model, sizes=parse_sizes("1x3x9x9"))
