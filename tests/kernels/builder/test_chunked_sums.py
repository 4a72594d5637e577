"""Long sums of float16, in chunks: as right as chunks are short, whatever the number of steps; float32 has one loop."""

import numpy as np
import pytest
from tvm import tirx

from rdpass.core.numeric_types import FLOAT16, FLOAT32
from rdpass.kernels.builder.chunked_sums import CHUNK, add_in_chunks
from rdpass.kernels.builder.emit import Registers, broadcast
from rdpass.kernels.builder.function import function, load, store
from rdpass.targets.isa import Vector
from tests.kernels.builder.running import ran, unwritten

LANES = 8
COUNT = 2


def summed(numeric, start, products, each):
    """``start``, and all ``products``, (steps, ``each``, vectors, lanes)."""
    vector = Vector(numeric, LANES)

    def write(given, out):
        sums = Registers(COUNT, vector)
        for index in range(COUNT):
            sums[index] = broadcast(start, vector)

        def add(step):
            for product in range(each):
                for index in range(COUNT):
                    value = load(given, step, product, index, 0, lanes=LANES)
                    sums[index] = sums[index] + tirx.Cast(str(vector), value)

        add_in_chunks(sums, COUNT, len(products), each, add)
        for index in range(COUNT):
            store(out, tirx.Cast(f"float32x{LANES}", sums[index]), index, 0, lanes=LANES)

    return ran(write, products, unwritten(COUNT, LANES), workspace=numeric)[1]


@pytest.mark.parametrize(
    ("steps", "each"), [(1, 8), (32, 8), (33, 8), (64, 8), (509, 8), (37, 72), (5, 400), (2047, 1)]
)
def test_ones_are_counted_exactly_where_one_by_one_they_stop_counting(steps, each):
    """In float16 2048 + 1 is 2048."""
    ones = np.ones((steps, each, COUNT, LANES), np.float32)
    counted = summed(FLOAT16, 1.0, ones, each)
    assert np.abs(counted - (steps * each + 1)).max() <= 2**-11 * steps * each


def test_sums_are_as_far_off_as_those_of_chunks():
    products = np.random.default_rng(0).standard_normal((288, 8, COUNT, LANES)).astype(np.float32)
    off = np.abs(summed(FLOAT16, 0.5, products, 8) - 0.5 - products.astype(np.float64).sum((0, 1)))
    one_by_one = np.float16(0.5) + np.zeros((COUNT, LANES), np.float16)
    for product in products.astype(np.float16).reshape(-1, COUNT, LANES):
        one_by_one = one_by_one + product
    apart = np.abs(one_by_one - 0.5 - products.astype(np.float64).sum((0, 1)))
    assert off.mean() < apart.mean() / 2


@pytest.mark.parametrize(
    ("numeric", "steps", "chunks"), [(FLOAT32, 4096, False), (FLOAT16, CHUNK // LANES, False), (FLOAT16, 4096, True)]
)
def test_float32_and_short_sums_are_summed_in_one_loop(numeric, steps, chunks):
    def body():
        add_in_chunks(Registers(1, Vector(numeric, LANES)), 1, steps, LANES, lambda step: None)

    assert ("workspace[" in str(function("kernel", numeric, body))) == chunks
