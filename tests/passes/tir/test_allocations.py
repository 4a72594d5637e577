"""The walk to the allocations of a function, wherever they stand, and the sizes of what they allocate."""

from __future__ import annotations

from typing import Any

import pytest
import tvm_ffi
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import parallel, serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.passes.tir.allocations import allocated_bytes, replace_allocations


def held(x: Any, size: int) -> None:
    """An array of its own, written and read."""
    array = T.alloc_buffer((size,), "float32")
    store(array, load(x, 0, lanes=1), 0, lanes=1)
    store(x, load(array, 0, lanes=1), 1, lanes=1)


def in_a_loop(x: Any) -> None:
    with serial(3):
        held(x, 7)


def in_threads(x: Any) -> None:
    with parallel(6, threads=3):
        held(x, 7)


def in_either_branch(x: Any) -> None:
    with T.If(load(x, 0, lanes=1) > T.float32(0)):
        with T.Then():
            held(x, 7)
        with T.Else():
            held(x, 7)


def in_an_attribute(x: Any) -> None:
    with T.attr(T.int32(0), "pragma_made_up", T.int32(1)):
        held(x, 7)


def in_a_while(x: Any) -> None:
    with T.While(load(x, 0, lanes=1) > T.float32(0)):
        held(x, 7)


FORMS = {
    "alone": (lambda x: held(x, 7), [False]),
    "one behind the other": (lambda x: (held(x, 7), held(x, 7)), [False, False]),
    "in a loop": (in_a_loop, [False]),
    "in threads": (in_threads, [True]),
    "in either branch": (in_either_branch, [False, False]),
    "in an attribute": (in_an_attribute, [False]),
    "in a while": (in_a_while, [False]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_allocation_is_met_once_and_known_to_be_a_threads_own_or_not(form: str) -> None:
    write, wanted = FORMS[form]
    body = function("kernel", FLOAT32, lambda: write(argument("x", FLOAT32, 8))).body
    met: list[bool] = []

    def note(allocation: Any, in_parallel: bool) -> Any:
        met.append(in_parallel)
        assert allocated_bytes(allocation.buffer) == 28
        return allocation

    same = replace_allocations(body, note)
    assert met == wanted
    assert tvm_ffi.structural_equal(same, body)


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_in_their_place_is_found_there(form: str) -> None:
    write, wanted = FORMS[form]
    body = function("kernel", FLOAT32, lambda: write(argument("x", FLOAT32, 8))).body
    marked = replace_allocations(body, lambda each, _: tirx.AllocBuffer(each.buffer, {"mark": tirx.const(1, "int32")}))
    found: list[str] = []
    replace_allocations(marked, lambda each, _: found.extend(each.annotations.keys()) or each)
    assert found == ["mark"] * len(wanted)


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [((5,), "float32", 20), ((3, 7), "float16", 42), ((9,), "int8", 9), ((4,), "float32x4", 64), ((), "float64", 8)],
)
def test_the_size_of_a_buffer_follows_shape_type_and_lanes(shape: tuple[int, ...], dtype: str, size: int) -> None:
    assert allocated_bytes(tirx.decl_buffer(shape, dtype)) == size


def test_an_extent_that_is_no_number_makes_the_size_unknown() -> None:
    assert allocated_bytes(tirx.decl_buffer((4, tirx.Var("n", "int32")), "float32")) is None
