"""A network read as calls on places, and the arena that these get."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.deploy.aot.arena import Arena, plan
from rdpass.deploy.aot.functions import compile_functions
from rdpass.deploy.aot.network import Network, build_aot
from rdpass.deploy.lowering import calls_for, import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.read.find_calls import Call, CallSequence, Copy, Place, find_calls
from rdpass.targets.lookup import find_target
from tests.deploy.conftest import residual_net
from tests.onnx.nets import Net

BOARD = find_target("rpi4")


def _calls(model: onnx.ModelProto) -> CallSequence:
    return find_calls(calls_for(import_onnx(read_onnx(model)), BOARD))


def _built(model: onnx.ModelProto) -> Network:
    source = read_onnx(model)
    return build_aot(source, import_onnx(source), BOARD)


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


def test_a_function_of_tvms_runtime_is_refused_by_name() -> None:
    text = "net (float[8] x) => (float[3] v, int64[3] i) <int64[1] k = {3}> { v, i = TopK(x, k) }"
    with pytest.raises(ConfigError, match=r"topk.* use --runtime vm"):
        _built(_parsed(text))


def _lines(network: Network, index: int) -> dict[Any, range]:
    """The lines of cache of the arena that each map and array of a call takes."""
    call, arena = network.sequence.calls[index], network.arena
    maps = {place: (arena.maps[place.index], network.sequence.maps[place.index]) for place in call.operands
            if place.kind == "map"}  # fmt: skip
    arrays = zip(arena.lifted[index], network.functions.lifted[call.function], strict=True)
    found = {**maps, **{("array", index, begin): (begin, size) for begin, size in arrays}}
    assert all(begin % 64 == 0 and begin + size <= arena.bytes for begin, size in found.values())
    return {name: range(begin // 64, -(-(begin + size) // 64)) for name, (begin, size) in found.items()}


def _check_arena(network: Network) -> None:
    """No tensors of a call overlap, and what one call has written is whole until the last call that reads it."""
    owner: dict[int, Any] = {}
    seen: set[Any] = set()
    for index in range(len(network.sequence.calls)):
        lines = _lines(network, index)
        assert all(owner[line] == name for name in lines.keys() & seen for line in lines[name])
        taken = [(line, name) for name, span in lines.items() for line in span]
        assert len(dict(taken)) == len(taken)
        owner.update(taken)
        seen.update(lines)


def _random_net(seed: int) -> onnx.ModelProto:
    """Layers that read any earlier map: kernels of ours, functions of TVM's, adds, and maps that live long."""
    random, net = np.random.default_rng(seed), Net((1, 8, 9, 7), seed=seed)
    maps = ["x0"]
    for _ in range(8):
        x, y = (maps[random.integers(len(maps))] for _ in range(2))
        match random.integers(5):
            case 0:
                maps.append(net.conv(x, 8, 8, 3))
            case 1:
                maps.append(net.relu(net.conv(x, 8, 8, 1)))
            case 2:
                maps.append(net.add(x, y))
            case 3:
                maps.append(net.node("Softmax", x, axis=1))
            case _:
                maps.append(net.node("Mul", net.node("Erf", x), y))
    return net.model(*dict.fromkeys([maps[-1], maps[-2]]))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_written_over_while_it_is_needed(seed: int) -> None:
    _check_arena(_built(_random_net(seed)))


def test_arrays_too_large_for_the_stack_lie_in_the_arena() -> None:
    net = Net((1, 8, 40, 40))
    network = _built(net.model(net.node("Softmax", "x0", axis=1)))
    assert any(network.functions.lifted.values())
    assert network.arena.bytes >= max(sum(sizes) for sizes in network.functions.lifted.values())
    _check_arena(network)


def test_a_map_that_nobody_touches_takes_no_room() -> None:
    sequence = CallSequence(
        calls=(Call("f", (Place("input", 0), Place("map", 1))), Call("f", (Place("map", 1), Place("output", 0)))),
        copies=(),
        maps=(10_000, 100),
        constants=(),
    )
    assert plan(sequence, {"f": (60,)}) == Arena(192, (0, 0), ((128,), (128,)))


def test_symbols_are_words_of_c_and_no_others() -> None:
    network = _built(residual_net())
    assert all(symbol.isidentifier() and symbol.startswith("rdpass_") for symbol in network.functions.symbols.values())
    lowered = calls_for(import_onnx(read_onnx(residual_net())), BOARD)
    assert compile_functions(lowered, BOARD).symbols == network.functions.symbols
