"""How often blocks run, against what each loop was written to do."""

from __future__ import annotations

from typing import Any

import pytest
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.builder.emit import bind, serial, tiles, when
from rdpass.kernels.builder.function import load, store
from rdpass.profiling.account.loops import count
from tests.profiling.account.written import totals, written


def test_loops_multiply_and_tiles_count_with_their_rest() -> None:
    def body(x: Any, y: Any) -> None:
        with serial(3):
            tiles(10, 4, lambda first, size: store(y, load(x, first * 4, lanes=4), first * 4, lanes=4))

    assert totals(written(body)) == {"loads": 9, "stores": 9}


@pytest.mark.parametrize(("border", "expected"), [(0, 8), (1, 7), (8, 0)])
def test_a_condition_on_a_loops_variable_is_asked_for_every_value(border: int, expected: int) -> None:
    def body(x: Any, y: Any) -> None:
        with serial(8) as row:
            inside = bind(row - border)
            when(inside >= 0, lambda: store(y, load(x, 0, lanes=4), 0, lanes=4))

    assert totals(written(body))["stores"] == expected


def test_a_loop_that_ends_where_another_says_is_as_long_as_it_is() -> None:
    def body(x: Any, y: Any) -> None:
        with serial(5) as outer, serial(tirx.min(outer, 3)):
            store(y, load(x, 0, lanes=4), 0, lanes=4)

    assert totals(written(body))["stores"] == 0 + 1 + 2 + 3 + 3


@pytest.mark.parametrize(("unrolled", "times"), [(False, 1), (True, 6)])
def test_the_code_of_a_loop_is_its_body_once_or_for_every_turn_that_is_written_out(unrolled: bool, times: int) -> None:
    def body(x: Any, y: Any) -> None:
        with T.unroll(6) if unrolled else serial(6) as turn:
            store(y, load(x, turn * 4, lanes=4), turn * 4, lanes=4)

    copied = 2 + 2 + 2  # a load and a store, their addresses, the loop's counter and branch
    assert count(written(body)).instructions == copied * times
