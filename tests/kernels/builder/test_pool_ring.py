"""A max pool of rows that come one by one or several at once, against the oracle."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tvm import tirx

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import broadcast, serial, when
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.pool_ring import LOWEST, PoolRing
from rdpass.kernels.quantization import limits
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran, unwritten
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import numbers

VECTOR = SSE.vector(FLOAT32)
POOLS = [
    Pooling(2, 8, 9, 7, "max", (3, 3), (2, 2), (1, 1, 1, 1)),
    Pooling(1, 8, 8, 6, "max", (2, 2), (2, 2), (0, 0, 0, 0)),
    Pooling(1, 8, 7, 5, "max", (3, 2), (1, 1), (0, 1, 1, 0)),
    Pooling(1, 8, 10, 9, "max", (2, 3), (3, 2), (0, 0, 0, 1)),
]


def put(ring, value, position):
    """Write a row of the map: ``value(block, column)`` at each of its places."""
    with serial(ring.outer) as block, serial(ring.pool.width) as column:
        store(ring.rows, value(block, column), *position(block, column), lanes=4)


def put_together(ring, row_at, number, position):
    """Write as many rows as come together, those outside the map as the lowest number."""
    for index in range(ring.come):
        at, place = number + index, position(index)
        when(
            tirx.all(at >= 0, at < ring.pool.height),
            partial(put, ring, row_at(at), place),
            partial(put, ring, lambda block, column: broadcast(LOWEST, VECTOR), place),
        )


def pooled(pool, parts, come):
    """The pool's rows in so many parts, beside the oracle's."""
    x = -1 - np.abs(numbers(0, pool.batch, 8, pool.height, pool.width))
    rows = -(-pool.out_height // parts)

    def write(source, out):
        ring = PoolRing(pool, 2, 2, SSE, come)
        with serial(pool.batch) as n:

            def row_at(number):
                return lambda block, column: load(source, n, block, number * pool.width + column, 0, lanes=4)

            for first in range(0, pool.out_height, rows):
                count = min(rows, pool.out_height - first)
                if come == 1:
                    ring.cover(lambda number, position: put(ring, row_at(number), position), out, n, first, count)
                else:
                    ring.cover_together(partial(put_together, ring, row_at), out, n, first, count)

    got = ran(write, to_blocked(x, 4), unwritten(pool.batch, 2, pool.out_height * pool.out_width, 4))[1]
    return from_blocked(got, 8, pool.out_height, pool.out_width), reference.pooling(pool, (), [x])


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: f"{pool.kernel}/{pool.stride}")
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("come", [1, 3])
def test_rows_of_the_pool_are_the_oracles_though_all_numbers_are_negative(pool, parts, come):
    got, wanted = pooled(pool, parts, come)
    assert np.array_equal(got, wanted)


def test_there_is_room_for_a_window_and_all_but_one_of_the_rows_that_come_together():
    slots = []

    def write(out):
        slots.extend(PoolRing(POOLS[0], 1, 2, SSE, come).slots for come in (1, 4))
        store(out, 0.0, 0, lanes=1)

    ran(write, unwritten(1))
    assert slots[:2] == [3, 6]


@pytest.mark.parametrize("byte", [INT8, UINT8])
def test_of_bytes_the_border_is_their_lowest_number(byte):
    """Rows of which none is above it: what lies outside the map does not show."""
    low = limits(byte)[0]
    pool = replace(POOLS[0], batch=1, channels=16, types=NumericTypes(byte, INT8, INT32, byte))
    x = (low + np.arange(16 * 63).reshape(1, 16, 9, 7) % 3).astype(byte.value)

    def write(source, out):
        ring = PoolRing(pool, 1, 2, SSE)

        def compute(number, position):
            with serial(pool.width) as column:
                value = load(source, 0, 0, number * pool.width + column, 0, lanes=16)
                store(ring.rows, value, *position(0, column), lanes=16)

        ring.cover(compute, out, 0, 0, pool.out_height)

    out = np.full((1, 1, pool.out_height * pool.out_width, 16), 99, byte.value)
    got = ran(write, to_blocked(x, 16), out, workspace=byte)[1]
    assert np.array_equal(from_blocked(got, 16, pool.out_height, pool.out_width), reference.pooling(pool, (), [x]))
