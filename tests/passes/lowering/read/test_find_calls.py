"""A network read as calls on places: inputs, outputs, constants and maps."""

from __future__ import annotations

import onnx

from rdpass.deploy.lowering import calls_for, import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.read.find_calls import CallSequence, Copy, Place, find_calls
from rdpass.targets.lookup import find_target
from tests.deploy.conftest import residual_net
from tests.onnx.nets import Net

BOARD = find_target("rpi4")


def _calls(model: onnx.ModelProto) -> CallSequence:
    return find_calls(calls_for(import_onnx(read_onnx(model)), BOARD))


def _parsed(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 18]> {text}')


def test_every_function_is_called_on_places_and_the_last_writes_the_output() -> None:
    lowered = calls_for(import_onnx(read_onnx(residual_net())), BOARD)
    before = lowered.script()
    sequence = find_calls(lowered)
    assert lowered.script() == before
    first, *between, last = sequence.calls
    assert first.function.startswith("f32_stem")
    assert last.function.startswith("f32_head")
    assert [place.kind for place in first.operands] == ["input", "constant", "constant", "map", "map"]
    assert [place.kind for place in last.operands] == ["map", "constant", "constant", "output", "map"]
    assert len(between) == 2
    assert {place.kind for call in between for place in call.operands} == {"map", "constant"}
    assert sequence.copies == ()


def test_equal_constants_are_one() -> None:
    net = Net((1, 8, 6, 6))
    weights, bias = net.numbers(8, 8, 3, 3), net.numbers(8)
    x = "x0"
    for _ in range(3):
        x = net.relu(net.node("Conv", x, weights, bias, kernel_shape=[3, 3], pads=[1] * 4))
    sequence = _calls(net.model(x))
    kernels = [call for call in sequence.calls if "k3x3" in call.function]
    assert len(kernels) == 3
    assert len({call.operands[1] for call in kernels}) == 1
    assert len(sequence.constants) == len({array.tobytes() for array in sequence.constants})


def test_what_can_t_be_written_in_place_is_copied_in_the_end() -> None:
    sequence = _calls(
        _parsed(
            "net (float[4] x) => (float[4] a, float[4] b, float[4] c) { a = Abs(x) b = Identity(a) c = Identity(x) }"
        )
    )
    (call,) = sequence.calls
    assert call.operands == (Place("input", 0), Place("output", 0))
    assert sequence.copies == (
        Copy(Place("output", 0), Place("output", 1), 16),
        Copy(Place("input", 0), Place("output", 2), 16),
    )
