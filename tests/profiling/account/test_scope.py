"""Whole numbers as functions of loops' variables, and steps in memory."""

from __future__ import annotations

import pytest
from tvm import tirx

from rdpass.profiling.account.scope import Scope, is_address

ROW, COLUMN = tirx.Var("row", "int32"), tirx.Var("column", "int32")


@pytest.mark.parametrize(
    ("expression", "expected", "needs"),
    [
        (7, 7, set()),
        (ROW * 3 + COLUMN, 17, {ROW, COLUMN}),
        (tirx.min(ROW, 2) - 1, 1, {ROW}),
        (tirx.floordiv(ROW, 2) + tirx.floormod(ROW, 2), 3, {ROW}),
        (tirx.Select(ROW > COLUMN, ROW, COLUMN), 5, {ROW, COLUMN}),
        (tirx.Not(ROW > COLUMN), 0, {ROW, COLUMN}),
    ],
)
def test_a_number_is_a_function_of_the_variables_that_it_asks_for(expression, expected, needs) -> None:
    value, asked = Scope().number(expression)
    assert value({ROW: 5, COLUMN: 2}) == expected
    assert asked == needs


def test_a_variable_that_was_bound_is_what_it_was_bound_to() -> None:
    scope, bound = Scope(), tirx.Var("bound", "int32")
    scope.numbers[bound] = scope.number(ROW + 1)
    value, asked = scope.number(bound * 2)
    assert (value({ROW: 3}), asked) == (8, {ROW})


def test_what_can_not_be_known_is_one() -> None:
    value, asked = Scope().number(tirx.FloatImm("float32", 3.0))
    assert (value({}), asked) == (1, frozenset())


def test_a_step_is_how_far_a_turn_moves_in_memory() -> None:
    buffer = tirx.decl_buffer((4, 8), "float32")
    scope = Scope()
    assert scope.step(buffer, [ROW, COLUMN], COLUMN) == 1
    assert scope.step(buffer, [ROW, COLUMN], ROW) == 8
    assert scope.step(buffer, [0, 0], ROW) == 0
    assert scope.step(buffer, [ROW, COLUMN], None) is None


def test_addresses_are_whole_numbers_of_variables_and_constants() -> None:
    assert is_address(ROW * 2 + 1)
    assert not is_address(tirx.FloatImm("float32", 1.0))
    assert not is_address(tirx.Var("x", "float32"))
