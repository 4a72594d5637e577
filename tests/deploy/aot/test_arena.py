"""The arena of a network that is compiled ahead: maps and arrays of functions, none where another is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from rdpass.deploy.aot.arena import Arena, plan
from rdpass.deploy.aot.network import Network
from rdpass.passes.lowering.read.find_calls import Call, CallSequence, Place
from tests.deploy.aot.compiled import built
from tests.onnx.nets import Net


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
    _check_arena(built(_random_net(seed)))


def test_arrays_too_large_for_the_stack_lie_in_the_arena() -> None:
    net = Net((1, 8, 40, 40))
    network = built(net.model(net.node("Softmax", "x0", axis=1)))
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
