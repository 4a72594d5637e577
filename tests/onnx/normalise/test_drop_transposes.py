"""Transposes that undo each other or move nothing."""

from __future__ import annotations

import pytest

from tests.onnx.normalise.models import attributes, normalised, operators, parsed


def test_two_that_undo_each_other_go() -> None:
    body = "a = Transpose<perm=[0, 2, 3, 1]>(x) b = Transpose<perm=[0, 3, 1, 2]>(a) y = Relu(b)"
    assert operators(normalised(parsed(body))) == ["Relu"]


def test_two_become_one() -> None:
    result = normalised(parsed("a = Transpose(x) y = Transpose<perm=[0, 2, 1, 3]>(a)"))
    assert attributes(result, "Transpose")["perm"] == [3, 1, 2, 0]


@pytest.mark.parametrize(
    ("shape", "left"), [("1, 3, 1, 1", "Reshape"), ("1, 1, 8, 8", "Reshape"), ("1, 2, 1, 3", "Transpose")]
)
def test_one_that_moves_single_places_alone_is_a_reshape(shape: str, left: str) -> None:
    assert operators(normalised(parsed("y = Transpose<perm=[0, 2, 3, 1]>(x)", f"float[{shape}] x"))) == [left]


def test_an_output_that_is_the_input_stays_told_apart_from_it() -> None:
    body = "a = Transpose<perm=[0, 2, 3, 1]>(x) y = Transpose<perm=[0, 3, 1, 2]>(a)"
    result = normalised(parsed(body))
    assert [value.name for value in result.model.graph.output] == ["y"]
