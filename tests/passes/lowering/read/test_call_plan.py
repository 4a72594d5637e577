"""The plan of a network: every call with its operations and bytes, and maps that do not overlap while both live."""

from itertools import combinations

import pytest

from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.passes.lowering.read.call_plan import read_plan
from rdpass.passes.lowering.read.fallbacks import find_fallbacks, find_kernels
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import lower_checked


@pytest.fixture(scope="module")
def lowered():
    """Two kernels, an operator of TVM's between them, and a shortcut over all."""
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv("x0", 16, 16, 3))
    y = net.conv(net.node("Softmax", x, axis=1), 16, 16, 3)
    found, _ = lower_checked(net, net.relu(net.node("Add", x, y)))
    return found


def test_every_call_of_every_function_is_there(lowered):
    called = [call.function for call in read_plan(lowered).calls]
    listed = {kernel.name: kernel.calls for kernel in find_kernels(lowered)}
    listed |= {fallback.function: fallback.calls for fallback in find_fallbacks(lowered)}
    assert {name: called.count(name) for name in called} == listed
    assert len(listed) > 2


def test_a_convolution_counts_two_operations_a_product_and_the_bytes_of_maps_and_weights(lowered):
    plan = read_plan(lowered)
    first = next(call for call in plan.calls if "k3x3" in call.function)
    assert first.operations == 2 * 16 * 16 * 9 * 144
    assert first.weights >= 4 * (16 * 16 * 9 + 16)
    assert first.bytes == first.weights + 2 * 4 * 16 * 144


def test_maps_lie_within_the_planned_memory_and_apart_while_both_live(lowered):
    plan = read_plan(lowered)
    assert plan.bytes == planned_memory(lowered).activations
    assert all(each.offset + each.bytes <= plan.bytes for each in plan.maps)
    for one, other in combinations(plan.maps, 2):
        if one.first <= other.last and other.first <= one.last:
            assert one.offset + one.bytes <= other.offset or other.offset + other.bytes <= one.offset


def test_outputs_and_scratch_are_told_from_maps(lowered):
    plan = read_plan(lowered)
    (output,) = (each for each in plan.maps if each.kind == "output")
    assert (output.bytes, output.last) == (4 * 16 * 144, len(plan.calls) - 1)
    assert all(each.first == each.last for each in plan.maps if each.kind == "scratch")
    assert max(each.last - each.first for each in plan.maps if each.kind == "map") >= 2  # the shortcut
