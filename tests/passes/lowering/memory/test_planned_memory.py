"""Memory that a lowered network plans to use, counted."""

from __future__ import annotations

from tvm import tirx

from rdpass.passes.lowering.memory.planned_memory import _allocated, planned_memory
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import lower_checked, workspace_of


def test_planned_memory_counts_the_arena_and_the_outputs() -> None:
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv(net.relu(net.conv("x0", 16, 32, 3)), 32, 16, 3))
    lowered, _ = lower_checked(net, net.conv(x, 16, 8))
    wide, narrow, out = (channels * 12 * 12 * 4 for channels in (32, 16, 8))
    memory = planned_memory(lowered)
    assert memory.activations <= wide + narrow + workspace_of(lowered) + 3 * out


def test_scratch_is_that_of_the_one_function_of_tvms_that_needs_most() -> None:
    net = Net((1, 8, 20, 21))
    lowered, _ = lower_checked(net, net.node("Softmax", "x0", axis=1))
    whole = 8 * 20 * 21 * 4
    # The largest and the sum of each pixel are held, and the exponentials of all channels.
    assert whole <= planned_memory(lowered).workspace <= 2 * whole


def test_the_most_scratch_is_found_though_not_every_kernel_is_compacted() -> None:
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv(net.relu(net.conv("x0", 16, 32, 3)), 32, 16, 5, stride=2))
    lowered, _ = lower_checked(net, net.node("Softmax", net.conv(x, 16, 8), axis=1))
    functions = [function for _, function in lowered.functions_items() if isinstance(function, tirx.PrimFunc)]
    assert len(functions) > 3
    assert planned_memory(lowered).workspace == max(map(_allocated, functions)) > 0
