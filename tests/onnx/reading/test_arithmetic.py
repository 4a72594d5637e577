"""Arithmetic, comparisons, logic and casts."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.core.errors import ConfigError
from rdpass.onnx.reading.arithmetic import UNARY
from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import read

TWO = "float[2, 3] x, float[2, 3] z"


@pytest.mark.parametrize(
    "operator", sorted(set(UNARY) - {"Not", "BitwiseNot", "IsNaN", "Det", "Acosh", "Asin", "Acos", "Atanh"})
)
def test_functions_of_one_number(operator: str) -> None:
    read(f"y = {operator}(x)", positive=operator in ("Log", "Sqrt"))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean"])
@pytest.mark.parametrize("inputs", ["x, z", "x, a", "a, x", "x, b", "b, x"])
def test_functions_of_two(operator: str, inputs: str) -> None:
    read(f"y = {operator}({inputs})", TWO, a=np.float32(2.5), b=numbers(3) + 2)


@pytest.mark.parametrize("operator", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
def test_comparisons(operator: str) -> None:
    read(f"y = {operator}(x, z)", TWO, "bool[] y")
    read(f"y = {operator}(x, a)", TWO, "bool[] y", a=np.float32(0))


def test_logic_and_choice() -> None:
    read("a = Less(x, z) b = Not(a) c = And(a, b) d = Or(a, c) e = Xor(a, d) y = Where(e, x, z)", TWO)
    read("a = IsNaN(x) b = IsInf(x) y = Or(a, b)", TWO, "bool[] y")


@pytest.mark.parametrize("exponent", [np.float32(2), np.float32([1, 2, 3]), np.int64(3), np.array([2, 2, 1])])
def test_powers(exponent: object) -> None:
    read("y = Pow(x, e)", TWO, positive=True, e=exponent)


def test_integers() -> None:
    read("y = Div(x, a)", "int64[9] x", "int64[] y", a=np.int64(2))
    read("a = Mul(x, m) y = Div(a, d)", "int64[9] x", "int64[] y", m=np.int64(-7), d=np.int64(2))
    read("y = Mod(x, a)", "int64[9] x", "int64[] y", a=np.int64(-3))
    read("y = Mod<fmod=1>(x, a)", TWO, a=np.float32(0.7))
    read("y = Cast<to=1>(x)", "int64[9] x")
    read("y = Cast<to=7>(x)", TWO, "int64[] y")


def test_a_type_that_torch_lacks_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError, match="node 'y' is a Add, which can't be read into torch: torch does not compute in uint32"
    ):
        read("y = Add(x, x)", "uint32[3] x", "uint32[] y")
