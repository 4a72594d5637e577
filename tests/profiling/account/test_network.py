"""The account of a lowered network: its parts add up, and shapes that double double it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.deploy.lowering import import_onnx, lower_for
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.profiling.account.core_times import SMALL
from rdpass.profiling.account.network import Account, account_of
from rdpass.targets.lookup import find_target
from tests.onnx.nets import Net

RPI4 = find_target("rpi4")


def lowered(size: int = 12, channels: int = 64):
    net = Net((1, 16, size, size))
    x = net.relu(net.conv("x0", 16, channels, 3))
    return lower_for(import_onnx(read_onnx(net.model(net.relu(net.conv(x, channels, channels, 3))))), RPI4)


def account(size: int = 12, channels: int = 64) -> Account:
    return account_of(lowered(size, channels), RPI4)


def test_time_is_cycles_and_bytes_and_cycles_are_those_of_the_functions() -> None:
    found = account()
    assert found.cycles == sum(found.functions.values()) + found.calls * SMALL.dispatch
    assert found.ms == pytest.approx(found.cycles / 1.5e6 + found.dram_bytes / 4e6)
    assert found.calls == len(found.functions) == 4  # two layers, and a change of layout before and behind


def test_the_peak_is_that_of_the_plan_and_weights_are_counted_once() -> None:
    module = lowered()
    found, memory = account_of(module, RPI4), planned_memory(module)
    assert found.peak_bytes == memory.activations + memory.workspace
    assert found.weight_bytes >= 4 * 9 * (16 * 64 + 64 * 64)


def test_a_network_that_stays_in_the_cache_reads_nothing_from_memory_and_a_large_one_its_weights() -> None:
    assert account().dram_bytes == 0
    large = account(channels=256)
    assert large.weight_bytes > RPI4.l2_bytes
    assert large.dram_bytes >= 0.9 * large.weight_bytes


def test_four_times_the_pixels_take_about_four_times_the_cycles() -> None:
    small, large = (sum(account(size).functions.values()) for size in (24, 48))
    assert 3.5 < large / small < 4.2


def test_a_core_without_clock_is_refused_by_name() -> None:
    with pytest.raises(TargetError, match="rpi4 has no clock_ghz or dram_gbps"):
        account_of(lowered(), replace(RPI4, clock_ghz=0))


def test_weights_that_a_strided_layer_reads_for_every_row_come_from_memory_so_often() -> None:
    net = Net((1, 512, 8, 8))
    x = net.node("Conv", "x0", net.numbers(1024, 512, 1, 1), strides=[2, 2], kernel_shape=[1, 1])
    found = account_of(lower_for(import_onnx(read_onnx(net.model(x))), RPI4), RPI4)
    weights, rows = 4 * 512 * 1024, 4
    assert weights > RPI4.l2_bytes
    assert rows * weights <= found.dram_bytes < 1.1 * rows * weights
