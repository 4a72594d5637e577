"""Words to write kernels in, each by what it does when it is run."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import (
    Registers,
    bind,
    both,
    broadcast,
    element,
    highest,
    indices,
    lane,
    lowest,
    parallel,
    serial,
    spans,
    tiles,
    when,
)
from rdpass.kernels.builder.function import load, scratch, store
from rdpass.targets.isa import AVX2, SSE
from tests.kernels.builder.running import mapped, ran, unwritten

VECTOR = SSE.vector(FLOAT32)
X = np.random.default_rng(0).standard_normal(8).astype(np.float32)


def test_a_lane_is_taken_out_of_a_vector_as_a_number_or_as_a_whole_vector():
    assert np.array_equal(mapped(lambda v: lane(v, 2, 4), X, 4), np.repeat(X[[2, 6]], 4))
    assert np.array_equal(mapped(lambda v: broadcast(element(v, 3), VECTOR), X, 4), np.repeat(X[[3, 7]], 4))
    assert np.array_equal(mapped(lambda v: v + broadcast(1.5, VECTOR), X, 4), X + np.float32(1.5))


@pytest.mark.parametrize("isa", [SSE, AVX2], ids=lambda isa: isa.name)
def test_the_largest_and_the_smallest_are_taken_lane_by_lane(isa):
    vector = isa.vector(FLOAT32)
    others = [broadcast(number, vector) for number in (-0.5, 0.25)]
    x = np.linspace(-2, 2, 3 * vector.lanes, dtype=np.float32)
    assert np.array_equal(mapped(lambda v: highest([v, *others], isa, vector), x, vector.lanes), np.maximum(x, 0.25))
    assert np.array_equal(mapped(lambda v: lowest([v, *others], isa, vector), x, vector.lanes), np.minimum(x, -0.5))
    assert np.array_equal(mapped(lambda v: highest([v], isa, vector), x, vector.lanes), x)


def test_registers_hold_their_vectors_apart():
    def write(source, out):
        held = Registers(3, VECTOR)
        for index in range(2):
            held[index] = load(source, 4 * index, lanes=4)
        held[2] = bind(held[0] + held[1])
        for index in range(3):
            store(out, held[index], 4 * index, lanes=4)

    assert np.array_equal(ran(write, X, unwritten(12))[1], np.concatenate([X, X[:4] + X[4:]]))


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("extents", [(5,), (3, 4), (2, 3, 2), (1, 1)])
def test_fused_loops_meet_every_index_once_however_many_threads_share_them(extents, threads):
    def write(out):
        with parallel(*extents, threads=threads) as index:
            store(out, load(out, *index, lanes=1) + 1.0, *index, lanes=1)

    assert np.array_equal(ran(write, np.zeros(extents, np.float32))[0], np.ones(extents))


@pytest.mark.parametrize("threads", [1, 3])
def test_scratch_in_a_parallel_loop_is_each_threads_own(threads):
    def write(out):
        with parallel(7, threads=threads) as (row,):
            own = scratch(5)
            with serial(5) as column:
                store(own, (row * 5 + column).astype("float32"), column, lanes=1)
            with serial(5) as column:
                store(out, load(own, column, lanes=1), row, column, lanes=1)

    assert np.array_equal(ran(write, unwritten(7, 5))[0], np.arange(35).reshape(7, 5))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("otherwise", [True, False])
def test_a_condition_known_now_leaves_one_branch(known, otherwise):
    written = []
    when(known, lambda: written.append("then"), (lambda: written.append("else")) if otherwise else None)
    assert written == (["then"] if known else ["else"] * otherwise)


def test_a_condition_that_shows_later_is_asked_then():
    def write(out):
        with serial(6) as index:
            when(
                both(True, index > 1, index < 5),
                lambda: store(out, 1.0, index, lanes=1),
                lambda: store(out, 2.0, index, lanes=1),
            )

    assert ran(write, unwritten(6))[0].tolist() == [2, 2, 1, 1, 1, 2]


def test_conditions_known_to_hold_are_left_out():
    assert both() is True
    assert both(True, True) is True
    assert both(True, "some condition", True) == "some condition"


@pytest.mark.parametrize(("extent", "width"), [(10, 3), (9, 3), (3, 3), (2, 5), (1, 1), (7, 4)])
def test_tiles_cover_an_extent_once_and_the_last_is_the_rest(extent, width):
    sizes = []

    def write(out):
        def body(first, size):
            sizes.append(size)
            for index in range(size):
                store(out, load(out, first + index, lanes=1) + 1.0, first + index, lanes=1)

        sizes.clear()
        tiles(extent, width, body)

    assert np.array_equal(ran(write, np.zeros(extent, np.float32))[0], np.ones(extent))
    assert sizes == [width] * (extent >= width) + [extent % width] * (extent % width > 0)


@pytest.mark.parametrize(("extent", "block"), [(10, 3), (9, 3), (2, 5), (1, 1)])
def test_spans_are_full_blocks_and_what_is_left_over(extent, block):
    covered = [begin + number * size + index for begin, count, size in spans(extent, block)
               for number in range(count) for index in range(size)]  # fmt: skip
    assert covered == list(range(extent))


def test_index_tuples_come_with_the_last_index_fastest():
    assert list(indices(2, 3)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert list(indices()) == [()]
    assert list(indices(2, 0)) == []
