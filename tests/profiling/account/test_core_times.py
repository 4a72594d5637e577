"""Cycles of a block: its busiest unit sets them, and what a core can't do in less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.account.block import Block
from rdpass.profiling.account.core_times import LARGE, SMALL, core_times
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
    with pytest.raises(TargetError, match="no model of made-up"):
        core_times(replace(find_target("rpi4"), cpu="made-up"))
