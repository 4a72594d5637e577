"""The order of layers: the least memory that is live, whatever the order of the file; no number changes."""

from __future__ import annotations

from typing import Any

import pytest

from rdpass.deploy.lowering import import_onnx, lower_for
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import read_dataflow
from rdpass.passes.lowering.memory.order_layers import OrderLayers
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.targets.lookup import find_target, host_target
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.lowered import classes_of, lower_checked
from tests.passes.lowering.quantised import kinds_for

SIZE, WIDE, NARROW = 16, 64, 32


def _block(projection_first: bool) -> tuple[Net, str]:
    """A residual block that halves its map, as ResNets have them: two convolutions, or the projection, come first."""
    net = Net((1, NARROW, SIZE, SIZE))
    x = net.relu(net.conv("x0", NARROW, WIDE))

    def branch() -> str:
        reduced = net.relu(net.conv(x, WIDE, NARROW))
        return net.relu(net.conv(reduced, NARROW, NARROW, 3, stride=2))

    if projection_first:
        shortcut = net.conv(x, WIDE, 2 * WIDE, stride=2)
        narrow = branch()
    else:
        narrow = branch()
        shortcut = net.conv(x, WIDE, 2 * WIDE, stride=2)
    x = net.relu(net.add(net.conv(narrow, NARROW, 2 * WIDE), shortcut))
    return net, classes_of(net, net.relu(net.conv(x, 2 * WIDE, NARROW)), NARROW)


def _ordered(net: Net, *outputs: str) -> tuple[Any, Any]:
    """A function as it was imported, and ordered."""
    module = import_onnx(read_onnx(net.model(*outputs)))
    before = module.script()
    ordered = OrderLayers(machine_of(host_target()))(module)
    assert module.script() == before
    return module["main"], ordered["main"]


def _planned(net: Net, output: str) -> int:
    memory = planned_memory(lower_for(import_onnx(read_onnx(net.model(output))), find_target("rpi5")))
    return memory.activations + memory.workspace


def test_a_projection_waits_until_its_block_has_narrowed_the_map() -> None:
    """Views and further outputs follow what they are of."""
    net, output = _block(projection_first=True)
    taken = next(node.output[0] for node in net.nodes if node.op_type == "Add")
    flat = net.node("Reshape", taken, net.constant([1, 2 * WIDE, -1]))
    _, called = lower_checked(net, output, net.node("Sigmoid", flat), taken)
    strided = [name for name in called if f"{WIDE}_{2 * WIDE}_" in name or "_k3x3_" in name]
    assert ["_k3x3_" in name for name in strided] == [True, False]


def test_the_order_of_the_file_makes_no_difference_to_the_memory() -> None:
    assert _planned(*_block(projection_first=True)) == _planned(*_block(projection_first=False))


def test_a_network_that_is_as_good_as_can_be_stays_as_it_is() -> None:
    before, after = _ordered(*_block(projection_first=False))
    assert after.same_as(before)


def test_the_same_operators_are_left_in_another_order() -> None:
    before, after = (read_dataflow(function) for function in _ordered(*_block(projection_first=True)))
    kinds = [sorted(str(value.op) for _, value in flow.bindings) for flow in (before, after)]
    assert kinds[0] == kinds[1]
    assert [value.op for _, value in before.bindings] != [value.op for _, value in after.bindings]


def _forked(joined: str) -> tuple[Net, str]:
    """Branches that are better exchanged: the map of the first waits while the second is widest."""
    net = Net((1, NARROW, SIZE, SIZE))
    x = net.relu(net.conv("x0", NARROW, NARROW))
    first = net.relu(net.conv(x, NARROW, 2 * WIDE))
    second = net.relu(net.conv(net.relu(net.conv(x, NARROW, 9 * WIDE, 3)), 9 * WIDE, 2 * WIDE, 3))
    if joined == "by a concatenation":
        return net, net.conv(net.node("Concat", first, second, axis=1), 4 * WIDE, NARROW)
    if joined == "after a split":
        halves = [net.conv(net.relu(half), WIDE, NARROW) for half in net.split(first, WIDE, WIDE)]
        return net, net.add(net.add(*halves), net.conv(second, 2 * WIDE, NARROW))
    return net, net.conv(net.add(first, net.relu(second)), 2 * WIDE, NARROW)


@pytest.mark.parametrize(
    ("joined", "stays"), [("by an add", False), ("by a concatenation", True), ("after a split", True)]
)
def test_where_maps_lie_inside_one_another_the_file_is_followed(joined: str, stays: bool) -> None:
    before, after = _ordered(*_forked(joined))
    assert after.same_as(before) == stays


def test_a_block_of_bytes_is_ordered_as_one_of_floats() -> None:
    net = QdqNet((1, NARROW, SIZE, SIZE))

    def layer(x: str, channels: int, filters: int, kernel: int = 1, stride: int = 1) -> str:
        shape = filters, channels, kernel, kernel
        found = net.layer(x, "Conv", shape, 0, strides=[stride] * 2, pads=[kernel // 2] * 4)
        return net.quantised(found, 0.05)

    x = layer(net.quantised("x0"), NARROW, WIDE)
    shortcut = layer(x, WIDE, 2 * WIDE, stride=2)
    narrow = layer(layer(x, WIDE, NARROW), NARROW, NARROW, 3, 2)
    called = kinds_for(net, "rpi5", net.quantised(net.add(layer(narrow, NARROW, 2 * WIDE), shortcut), 0.05))
    assert ["_k3x3_" in name for name in called if "_s2_" in name] == [True, False]
