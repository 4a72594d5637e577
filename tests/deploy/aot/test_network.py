"""A network in C: all that there is to say, from one lowering, the module given left as it was."""

from __future__ import annotations

from rdpass.deploy.aot.names import PREFIX
from rdpass.deploy.aot.network import HEADER_BYTES, build_aot
from rdpass.deploy.lowering import import_onnx, workloads_of
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from tests.deploy.aot.compiled import BOARD, built
from tests.onnx.nets import Net


def small() -> Net:
    net = Net((1, 8, 9, 7))
    net.conv(net.relu(net.conv("x0", 8, 12, 3)), 12, 4)
    return net


def test_every_call_is_of_a_function_that_was_compiled_and_lies_in_the_arena() -> None:
    net = small()
    network = built(net.model("v2"))
    assert {call.function for call in network.sequence.calls} <= network.functions.symbols.keys()
    assert len(network.arena.lifted) == len(network.sequence.calls)
    assert all(offset + size <= network.arena.bytes for offset, size in zip(network.arena.maps, network.sequence.maps,
                                                                             strict=True))  # fmt: skip
    assert [(spec.name, spec.shape) for spec in (*network.inputs, *network.outputs)] == [
        ("x0", (1, 8, 9, 7)), ("v2", (1, 4, 9, 7)),
    ]  # fmt: skip
    assert network.prefix == PREFIX


def test_a_program_provides_the_arena_and_what_the_model_keeps_of_its_own() -> None:
    network = built(small().model("v2"))
    assert network.arena_bytes == HEADER_BYTES + network.arena.bytes
    assert (network.memory.activations, network.memory.workspace) == (network.arena_bytes, 0)
    assert network.arena_bytes % 64 == 0


def test_tuned_tiles_and_another_prefix_are_used_and_the_module_stays() -> None:
    source = read_onnx(small().model("v2"))
    module = import_onnx(source)
    before = module.script()
    (work, *_) = (found.workload for found in workloads_of(module, BOARD))
    tile = rank_tiles(work, machine_of(BOARD))[-1].tile
    plain, tuned = build_aot(source, module, BOARD), build_aot(source, module, BOARD, {work: tile}, "cat")
    assert module.script() == before
    assert tuned.prefix == "cat"
    assert {call.function for call in tuned.sequence.calls} != {call.function for call in plain.sequence.calls}
