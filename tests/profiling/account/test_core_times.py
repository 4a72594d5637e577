"""Cycles of a block: its busiest unit sets them, and what a core can't do in less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.account.block import Block
from rdpass.profiling.account.core_times import IN_ORDER, LARGE, SMALL, WIDE, core_times
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
    assert core_times(find_target("rpi3")) is core_times(find_target("imx8mp")) is IN_ORDER


def test_there_are_no_times_of_a_host_and_it_is_said_so() -> None:
    with pytest.raises(TargetError, match="host is x86_64; times are estimated for cores of ARM's alone"):
        core_times(replace(find_target("rpi4"), name="host", triple="x86_64-linux-gnu", cpu="skylake"))


def test_a_wide_core_is_held_by_its_four_multipliers_three_loads_or_eight_starts() -> None:
    assert WIDE.cycles(Block(multiplies=80, loads=21)) == 20
    assert WIDE.cycles(Block(multiplies=64, loads=66)) == 22
    assert WIDE.cycles(Block(multiplies=16, loads=24, integers=24, stores=12)) == pytest.approx(10)


def test_a_core_that_starts_in_order_adds_up_what_one_that_reorders_does_at_once() -> None:
    block = Block(multiplies=64, loads=20)
    assert SMALL.cycles(block) == 64
    assert IN_ORDER.cycles(block) == pytest.approx(64 * IN_ORDER.vector + 20 * IN_ORDER.load)


def test_addresses_companions_and_halves_start_beside_arithmetic_and_two_at_once_beyond_it() -> None:
    products = IN_ORDER.cycles(Block(products=64))
    assert IN_ORDER.cycles(Block(products=64, companions=32, loads=30, halves=30, pointers=2)) == products
    assert IN_ORDER.cycles(Block(products=10, companions=20)) == pytest.approx((10 * IN_ORDER.vector + 20) / 2)


def test_in_order_sums_wait_for_themselves_and_sums_of_neighbours_for_their_products() -> None:
    assert IN_ORDER.cycles(Block(multiplies=4, chain=4)) == 4 * IN_ORDER.wait
    assert IN_ORDER.cycles(Block(products=40, integers=20, pairs=20)) == 20 * IN_ORDER.pair
    with_loads = IN_ORDER.cycles(Block(products=40, integers=20, pairs=20, loads=20))
    assert with_loads == pytest.approx(80 * IN_ORDER.vector + 20 * IN_ORDER.load)
