"""The register tile of every dense kernel: sums of products, whatever the instruction set."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import Registers, serial
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.register_tile import multiply_block
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE
from tests.kernels.builder.running import ran, unwritten


@pytest.mark.parametrize("isa", [ASIMD, SSE, AVX2, AVX512], ids=lambda isa: isa.name)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 1), (2, 4)])
def test_products_of_every_block_are_added_to_the_sums(isa, size):
    (tiles, vectors), lanes, blocks = size, isa.lanes(FLOAT32), 3
    random = np.random.default_rng(0)
    x = random.standard_normal((blocks, tiles, lanes)).astype(np.float32)
    weights = random.standard_normal((blocks, lanes, vectors * lanes)).astype(np.float32)
    start = random.standard_normal((tiles, vectors * lanes)).astype(np.float32)

    def write(source, table, given, out):
        sums = Registers(tiles * vectors, isa.vector(FLOAT32))
        for t in range(tiles):
            for v in range(vectors):
                sums[t * vectors + v] = load(given, t, v * lanes, lanes=lanes)
        with serial(blocks) as k:
            multiply_block(
                sums, isa, size, lambda t: (source, (k, t)),
                lambda c, v: load(table, k, c, v * lanes, lanes=lanes),
            )  # fmt: skip
        for t in range(tiles):
            for v in range(vectors):
                store(out, sums[t * vectors + v], t, v * lanes, lanes=lanes)

    got = ran(write, x, weights, start, unwritten(*start.shape))[3]
    wanted = start + np.einsum("ktc,kcv->tv", x.astype(np.float64), weights.astype(np.float64))
    assert np.allclose(got, wanted, atol=1e-5)
