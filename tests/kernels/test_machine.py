"""A core as the choice of a kernel sees it, from what a target says and where it says nothing."""

from dataclasses import replace

import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.machine import machine_of
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target

BOARD = find_target("rpi4")


def test_a_boards_figures_are_its_own():
    machine = machine_of(BOARD)
    assert machine.isa == isa_of(BOARD)
    assert (machine.threads, machine.l1, machine.l2) == (BOARD.cores, BOARD.l1d_bytes, BOARD.l2_bytes)
    assert machine.bandwidth == pytest.approx(BOARD.dram_gbps / BOARD.clock_ghz)


@pytest.mark.parametrize(("macs", "multiplies"), [(1, 1.0), (4, 1.0), (8, 2.0), (16, 4.0)])
def test_multiplies_are_of_whole_vectors_and_one_a_cycle_at_least(macs, multiplies):
    assert isa_of(BOARD).lanes(FLOAT32) == 4
    assert machine_of(replace(BOARD, macs_per_cycle=macs)).multiplies == multiplies


def test_what_a_target_does_not_say_is_taken_for_a_small_core():
    unknown = machine_of(replace(BOARD, l1d_bytes=None, l2_bytes=None, dram_gbps=None))
    assert (unknown.l1, unknown.l2, unknown.bandwidth) == (32 << 10, 512 << 10, 2.0)
    assert machine_of(replace(BOARD, clock_ghz=None)).bandwidth == 2.0


def test_kernels_are_chosen_for_speed_unless_something_else_is_asked_for():
    assert machine_of(BOARD).optimize == "speed"
    assert machine_of(BOARD, "size") == replace(machine_of(BOARD), optimize="size")
