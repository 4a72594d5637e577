"""The memory of a kernel: what it asks for, where that lies, and how much it takes."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, FLOAT32
from rdpass.kernels.builder.emit import parallel, serial
from rdpass.kernels.builder.function import (
    WORKSPACE,
    argument,
    function,
    load,
    made_for,
    passing,
    scratch,
    store,
    written_once,
)
from tests.kernels.builder.running import ran, unwritten


def asked(body, numeric=FLOAT32):
    return int(function("kernel", numeric, body).attrs[WORKSPACE])


@pytest.mark.parametrize(("size", "taken"), [(1, 16), (16, 16), (17, 32), (100, 112)])
def test_scratch_is_whole_lines_of_cache_and_one_line_at_least(size, taken):
    assert asked(lambda: scratch(size)) == taken
    assert asked(lambda: None) == 16


def test_a_line_holds_more_numbers_of_a_smaller_type():
    assert asked(lambda: scratch(17), FLOAT16) == 32
    assert asked(lambda: scratch(33), FLOAT16) == 64


def test_several_lie_behind_each_other_and_those_that_pass_in_one_place():
    def several():
        scratch(10)
        scratch(3, 7)

    def passed():
        with passing():
            scratch(40)
        with passing():
            scratch(20)

    assert asked(several) == 16 + 32
    assert asked(passed) == 48


@pytest.mark.parametrize(("threads", "shares"), [(1, 1), (3, 3), (5, 4), (100, 7)])
def test_every_share_of_a_parallel_loop_has_its_own_behind_what_all_share(threads, shares):
    def body():
        scratch(16)
        with parallel(7, threads=threads):
            scratch(20)

    assert asked(body) == 16 + shares * 32


def test_of_two_loops_the_one_that_takes_most_counts():
    def body():
        with parallel(4, threads=2):
            scratch(16)
        with parallel(4, threads=4):
            scratch(16)

    assert asked(body) == 4 * 16


def test_the_workspace_is_the_last_argument_and_the_name_the_functions():
    def body():
        argument("first", FLOAT32, 3)
        argument("second", FLOAT32, 5)

    written = function("some_kernel", FLOAT32, body)
    assert [buffer.name for buffer in written.params] == ["first", "second", "workspace"]
    assert str(written.attrs["global_symbol"]) == "some_kernel"


@pytest.mark.parametrize("numeric", [FLOAT32, FLOAT16])
def test_a_tensor_may_begin_at_any_vector_of_an_arena(numeric):
    buffer = function("kernel", numeric, lambda: argument("x", numeric, 8)).params[0]
    assert int(buffer.offset_factor) * numeric.bytes == 16


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_scratch_is_indexed_by_its_own_shape_and_holds_vectors(lanes):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

    def write(source, out):
        first, second = scratch(2, 3, 4), scratch(3, 2, 4)
        with serial(2) as i, serial(3) as j, serial(4 // lanes) as k:
            store(first, load(source, i, j, k * lanes, lanes=lanes), i, j, k * lanes, lanes=lanes)
            store(second, load(first, i, j, k * lanes, lanes=lanes), j, i, k * lanes, lanes=lanes)
        with serial(3) as j, serial(2) as i, serial(4 // lanes) as k:
            store(out, load(second, j, i, k * lanes, lanes=lanes), j, i, k * lanes, lanes=lanes)

    assert np.array_equal(ran(write, x, unwritten(3, 2, 4))[1], x.transpose(1, 0, 2))


def test_a_function_that_fails_while_it_is_written_leaves_nothing_behind():
    def body():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        function("kernel", FLOAT32, body)
    assert asked(lambda: scratch(3)) == 16


def test_a_function_is_written_once_for_what_it_is_made_for():
    bodies = []

    def written(size):
        return function("kernel", FLOAT32, lambda: bodies.append(scratch(size)))

    with written_once():
        with made_for("one board"):
            first = written(16)
            assert written(17) is first
        with made_for("another board"), written_once():
            assert int(written(17).attrs[WORKSPACE]) == 32
        with made_for("one board"):
            assert written(17) is first
    assert written(16) is not first
