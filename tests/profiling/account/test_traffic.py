"""Bytes that miss: a cache of whole parts, warm from the run before."""

from __future__ import annotations

from rdpass.passes.lowering.read.operands import Span
from rdpass.profiling.account.traffic import missed_bytes

KB = 1024


def test_what_fits_is_still_there_in_the_next_run() -> None:
    assert missed_bytes([[Span("a", 0, 100 * KB), Span("b", 0, 50 * KB)]], 200 * KB) == 0


def test_weights_that_do_not_fit_come_from_memory_each_time() -> None:
    calls = [[Span(index, 0, 100 * KB)] for index in range(4)]
    assert missed_bytes(calls, 200 * KB) == 400 * KB


def test_a_map_that_is_read_at_once_is_still_there_where_weights_pass_by() -> None:
    calls = [[Span("map", 0, 64 * KB), Span(index, 0, 100 * KB)] for index in range(4)]
    assert missed_bytes(calls, 300 * KB) == 400 * KB


def test_one_place_in_the_arena_is_one_place_whoever_lies_there() -> None:
    calls = [[Span("arena", 0, 64 * KB), Span("arena", 32 * KB, 32 * KB)]]
    assert missed_bytes(calls, 64 * KB) == 0
    assert missed_bytes(calls, 32 * KB) > 0


def test_nothing_touched_is_nothing_missed() -> None:
    assert missed_bytes([], 1 << 20) == missed_bytes([[Span("a", 0, 0)]], 1 << 20) == 0
