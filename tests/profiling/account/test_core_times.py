"""Cycles of a block: its busiest unit sets them, and what a core can't do in less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.account.block import Block
from rdpass.profiling.account.core_times import LARGE, SMALL, WIDE, core_times
from rdpass.targets.lookup import find_target


def test_the_busiest_unit_sets_the_time() -> None:
    assert SMALL.cycles(Block(multiplies=64, loads=20)) == 64
    assert SMALL.cycles(Block(multiplies=10, loads=50)) == 50
    assert LARGE.cycles(Block(multiplies=64, loads=20)) == 32


def test_a_core_starts_so_many_instructions_a_cycle_and_no_more() -> None:
    assert SMALL.cycles(Block(multiplies=10, loads=10, stores=10, floats=0)) == 10
    assert LARGE.cycles(Block(multiplies=10, loads=10, stores=10)) == pytest.approx(7.5)


def test_sums_wait_for_themselves_and_divisions_for_nobody_else() -> None:
    assert SMALL.cycles(Block(multiplies=4, chain=4)) == 4 * SMALL.wait
    assert SMALL.cycles(Block(divisions=3)) == 1 + 3 * SMALL.division


def test_the_cores_of_boards_are_told_apart_and_one_without_figures_is_refused() -> None:
    assert core_times(find_target("rpi4")) is core_times(find_target("rk3399")) is SMALL
    assert core_times(find_target("rpi5")) is LARGE
    assert core_times(find_target("graviton3")) is WIDE
    with pytest.raises(TargetError, match="no model of made-up"):
        core_times(replace(find_target("rpi4"), cpu="made-up"))
    with pytest.raises(TargetError, match="rpi3: no figures of cortex-a53"):
        core_times(find_target("rpi3"))


def test_there_are_no_times_of_a_host_and_it_is_said_so() -> None:
    with pytest.raises(TargetError, match="host is x86_64; times are estimated for cores of ARM's alone"):
        core_times(replace(find_target("rpi4"), name="host", triple="x86_64-linux-gnu", cpu="skylake"))


def test_a_wide_core_is_held_by_its_four_multipliers_three_loads_or_eight_starts() -> None:
    assert WIDE.cycles(Block(multiplies=80, loads=21)) == 20
    assert WIDE.cycles(Block(multiplies=64, loads=66)) == 22
    assert WIDE.cycles(Block(multiplies=16, loads=24, integers=24, stores=12)) == pytest.approx(10)
