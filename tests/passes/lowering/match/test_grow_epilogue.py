"""What one kernel does to its sums before it stores them, and where it has to stop."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.kernels.workload import Epilogue
from rdpass.passes.lowering.match.grow_epilogue import GrownEpilogue, grow_epilogue
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.activations import ACTIVATIONS
from tests.passes.lowering.lowered import calls_of, flow_of, lower_checked


@pytest.mark.parametrize("channels", [3, 5, 12, 21])
@pytest.mark.parametrize("activation", ["Relu", "clip", "bounds", "none"])
def test_channels_that_fill_no_vector_and_every_activation(channels: int, activation: str) -> None:
    net = Net((1, channels, 7, 9), seed=channels)
    x = net.conv(net.conv("x0", channels, channels + 2, 3), channels + 2, channels, 3)
    if activation == "Relu":
        x = net.relu(x)
    elif activation == "clip":
        x = net.node("Clip", x, net.constant(np.float32(-0.5)), net.constant(np.float32(0.25)))
    elif activation == "bounds":
        low = np.where(np.arange(channels) % 2, -np.inf, -0.1).astype(np.float32).reshape(1, channels, 1, 1)
        high = np.where(np.arange(channels) % 3, np.inf, 0.2).astype(np.float32).reshape(1, channels, 1, 1)
        x = net.node("Min", net.node("Max", x, net.constant(low)), net.constant(high))
    _, called = lower_checked(net, net.conv(x, channels, 6))
    assert not any("conv" in name or "max" in name for name in called)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "relu"])
def test_a_shortcut_round_a_block_that_ends_with_its_activation_is_added_by_the_last_layer(name: str) -> None:
    net = Net((1, 6, 9, 7))
    shortcut = net.conv("x0", 6, 10, 3)
    x = net.conv(net.relu(net.conv(shortcut, 10, 10)), 10, 10, 3)
    x = net.relu(x) if name == "relu" else ACTIVATIONS[name](net, x)
    lowered, called = lower_checked(net, net.conv(net.add(shortcut, x), 10, 4, 3))
    assert len(called) == 4 + 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_an_activated_value_that_others_read_or_that_is_added_to_itself_is_not_lost() -> None:
    net = Net((1, 6, 9, 7))
    shortcut = net.conv("x0", 6, 10, 3)
    x = net.relu(net.conv(shortcut, 10, 10))
    twice = net.relu(net.conv(net.add(x, x), 10, 10))
    lower_checked(net, net.conv(net.add(net.add(shortcut, x), twice), 10, 4), x)


def test_one_channel_or_pixel_added_to_an_activated_map_is_spread_over_it() -> None:
    net = Net((1, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    mean = net.node("GlobalAveragePool", x)
    y = net.relu(net.conv(x, 10, 10))
    lower_checked(net, net.conv(net.add(y, mean), 10, 4), net.add(net.relu(net.conv(x, 10, 10)), net.numbers(10, 1, 1)))


def test_a_layer_of_one_pixel_does_not_take_in_what_spreads_it_over_a_map() -> None:
    net = Net((1, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    one = net.conv(net.node("GlobalAveragePool", x), 10, 10)
    lower_checked(net, net.conv(net.relu(net.add(x, one)), 10, 4, 3))


def grown(net: Net, *outputs: str) -> GrownEpilogue:
    """What follows the network's first convolution."""
    flow = flow_of(net, *outputs)
    (sums, *_) = calls_of(flow, "nn.conv2d")
    return grow_epilogue(flow, sums, 5, set())


def test_biases_are_summed_up_to_the_first_bound() -> None:
    net = Net((2, 3, 7, 5))
    x = net.add(net.conv("x0", 3, 5, 3), net.numbers(5, 1, 1))
    found = grown(net, net.add(net.relu(x), net.numbers(5, 1, 1)))
    bias, added, _ = (np.frombuffer(weights.raw_data, np.float32) for weights in net.weights[1:])
    assert found.epilogue == Epilogue("relu")
    assert found.rows[0] == pytest.approx(bias + added)
    assert len(found.rows) == found.epilogue.rows == 1


@pytest.mark.parametrize("late", [False, True])
def test_one_other_map_is_added_before_or_behind_the_activation(late: bool) -> None:
    net = Net((1, 3, 7, 5), (1, 5, 7, 5), (1, 5, 7, 5))
    x = net.conv("x0", 3, 5, 3, bias=False)
    x = net.add(net.relu(x), "x1") if late else net.relu(net.add("x1", x))
    flow = flow_of(net, net.add(x, "x2"))
    (sums,) = calls_of(flow, "nn.conv2d")
    found = grow_epilogue(flow, sums, 5, set())
    assert found.epilogue == Epilogue("relu", add=True, late=late)
    assert found.other.same_as(flow.parameters[1])


def test_several_readers_or_a_place_among_the_results_end_it() -> None:
    net = Net((1, 3, 7, 5))
    x = net.conv("x0", 3, 5, 3, bias=False)
    assert grown(net, net.relu(x), net.node("Exp", x)).epilogue == Epilogue()
    net = Net((1, 3, 7, 5))
    x = net.conv("x0", 3, 5, 3)
    found = grown(net, x, net.relu(x))
    assert found.epilogue == Epilogue()
    assert found.rows[0].any()


def test_bounds_per_channel_are_rows_of_their_own_and_open_where_there_is_none() -> None:
    net = Net((1, 3, 7, 5))
    x = net.node("Max", net.conv("x0", 3, 5, 3, bias=False), net.numbers(1, 5, 1, 1))
    found = grown(net, x)
    low, high = found.rows[1:]
    assert found.epilogue.activation == "channel_clip"
    assert np.array_equal(low, np.frombuffer(net.weights[-1].raw_data, np.float32))
    assert np.isposinf(high).all()


def test_operators_that_another_took_are_not_taken_in() -> None:
    net = Net((1, 3, 7, 5))
    flow = flow_of(net, net.relu(net.conv("x0", 3, 5, 3, bias=False)))
    (sums,), (activated,) = calls_of(flow, "nn.conv2d"), calls_of(flow, "nn.relu")
    assert grow_epilogue(flow, sums, 5, {activated}).root.same_as(sums)
    assert grow_epilogue(flow, sums, 5, set()).root.same_as(activated)
