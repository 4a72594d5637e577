"""QuantizeLinear as it is written: ties, ends and what is no number, in whole vectors and one by one."""

import numpy as np
import pytest

from rdpass.core.numeric_types import INT8, UINT8
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.quantizer import Quantizer, each_run
from rdpass.kernels.quantization import limits, quantize
from rdpass.targets.isa import AVX2, AVX512, SSE
from tests.kernels.builder.running import ran

HOSTILE = np.array([0.5, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e30, -1e30, 2.0**31, 0.0, -0.0, 1e-40], np.float32)


@pytest.mark.parametrize("isa", [AVX512, AVX2, SSE], ids=lambda isa: isa.name)
@pytest.mark.parametrize("byte", [INT8, UINT8])
@pytest.mark.parametrize("count", [1, 15, 16, 50])
def test_numbers_are_divided_rounded_and_saturated(isa, byte, count):
    zero, scale = sum(limits(byte)) // 2 - 7, np.float32(0.3)
    x = np.resize(np.concatenate([HOSTILE * scale, np.linspace(-60, 60, 38, dtype=np.float32)]), count)
    given = np.array([zero], np.int32), np.array([scale]), x, np.full(count, 99, byte.value)

    def write(zeros, scales, source, out):
        Quantizer(isa, byte, scales[(0,)], zeros[(0,)]).run(
            count,
            lambda place, lanes: load(source, place, lanes=lanes),
            lambda place, value, lanes: store(out, value, place, lanes=lanes),
        )

    assert np.array_equal(ran(write, *given)[3], quantize(x, scale, zero, byte))


@pytest.mark.parametrize("count", [3, 16, 40, 47])
def test_runs_cover_every_place_and_none_beyond(count):
    def write(out):
        each_run(
            count,
            lambda place: [store(out, 1.0, place + index, lanes=1) for index in range(16)],
            lambda place: store(out, 1.0, place, lanes=1),
        )

    (covered,) = ran(write, np.zeros(count + 16, np.float32))
    assert [*covered] == [1.0] * count + [0.0] * 16
