"""Epilogues as they are written: bias, activation and added map, against the oracle."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import Registers, serial
from rdpass.kernels.builder.epilogue import EpilogueWriter, activate, other_argument
from rdpass.kernels.builder.function import function, load
from rdpass.kernels.builder.packing import blocks, pack_table
from rdpass.kernels.workload import ActivationKind, Epilogue
from rdpass.targets.isa import AVX2, SSE
from tests.kernels.builder.running import mapped, ran, unwritten
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import numbers, table_of

CHANNELS, PIXELS = 21, 6
every = pytest.mark.parametrize("activation", get_args(ActivationKind))


def finished(epilogue, isa, size):
    """Sums in tiles of (pixels, vectors) with their epilogue, beside the oracle's values."""
    (tiles, vectors), lanes = size, isa.lanes(FLOAT32)
    outer = blocks(CHANNELS, lanes)
    groups = blocks(outer, vectors)
    sums, other = (numbers(seed, 1, CHANNELS, PIXELS, 1) * 4 for seed in (1, 2))
    rows = table_of(epilogue, CHANNELS, 3)
    blocked = [to_blocked(sums, lanes), to_blocked(other, lanes)]
    table = pack_table(rows, groups * vectors * lanes, FLOAT32)

    def write(source, packed, added, out):
        writer = EpilogueWriter(epilogue, isa, FLOAT32, packed, None if epilogue.in_place else added)
        held = Registers(tiles * vectors, isa.vector(FLOAT32))
        with serial(groups) as group, serial(PIXELS // tiles) as tile:
            writer.start(held, size, group)
            for t in range(tiles):
                for v in range(vectors):
                    block = group * vectors + v
                    seen = load(source, 0, block % outer, tile * tiles + t, 0, lanes=lanes)
                    held[t * vectors + v] = held[t * vectors + v] + seen
            writer.end(held, size, group, outer, out, lambda t, block: (0, block, tile * tiles + t, 0))

    before = blocked[1] if epilogue.in_place else unwritten(*blocked[0].shape)
    out = ran(write, blocked[0], table, blocked[1], before)[3]
    wanted = reference.epilogue(epilogue, sums.astype(np.float64), rows, other if epilogue.add else None)
    return from_blocked(out, CHANNELS, PIXELS, 1), wanted


@every
@pytest.mark.parametrize(("isa", "size"), [(SSE, (2, 2)), (AVX2, (3, 2)), (SSE, (1, 1))], ids=str)
def test_tiles_end_as_the_oracle_says_though_the_last_group_reaches_beyond_the_channels(activation, isa, size):
    got, wanted = finished(Epilogue(activation, -0.5, 1.5), isa, size)
    assert np.allclose(got, wanted, atol=2e-6)


@every
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_map_is_added_before_or_behind_the_activation_and_may_be_written_over(activation, late, in_place):
    got, wanted = finished(Epilogue(activation, -0.5, 1.5, True, in_place, late), SSE, (2, 2))
    assert np.allclose(got, wanted, atol=4e-6)


@pytest.mark.parametrize("activation", ["relu", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "clip"])
def test_a_vector_is_activated_as_the_oracle_says_at_the_bends_too(activation):
    epilogue, vector = Epilogue(activation, -1.0, 1.0), SSE.vector(FLOAT32)
    x = np.array([-100, -3, -2.9999, -1, -1e-20, 0, 1e-20, 1, 2.9999, 3, 6, 100], np.float32)
    got = mapped(lambda value: activate(epilogue, value, [], SSE, vector), x, 4)
    wanted = reference.epilogue(epilogue, x.astype(np.float64).reshape(1, 1, -1, 1), [np.zeros(1)])
    assert np.allclose(got, wanted.reshape(-1), atol=1e-5)


@pytest.mark.parametrize(("add", "in_place", "there"), [(False, False, 0), (True, False, 1), (True, True, 0)])
def test_a_map_to_add_is_an_argument_unless_it_is_the_output(add, in_place, there):
    epilogue = replace(Epilogue(add=add), in_place=in_place)
    written = function("kernel", FLOAT32, lambda: (other_argument(epilogue, FLOAT32, 1, 2, 3, 4), None)[1])
    assert [buffer.name for buffer in written.params[:-1]] == ["other"] * there
