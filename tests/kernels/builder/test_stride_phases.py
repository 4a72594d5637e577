"""The phases of a convolution of stride 2: together they see what it sees, each by its own taps of stride 1."""

import numpy as np
import pytest

from rdpass.kernels import reference
from rdpass.kernels.builder.stride_phases import phase_of
from rdpass.kernels.workload import Convolution
from tests.kernels.numbers import numbers

CONVS = [
    Convolution(1, 2, 3, 9, 7, (3, 3), (2, 2), (1, 1, 1, 1)),
    Convolution(2, 2, 3, 8, 8, (3, 3), (2, 2), (0, 0, 1, 1)),
    Convolution(1, 2, 3, 11, 6, (5, 4), (2, 2), (2, 1, 2, 1)),
    Convolution(1, 2, 3, 10, 13, (7, 7), (2, 2), (3, 3, 3, 3)),
    Convolution(1, 2, 3, 6, 5, (2, 2), (2, 2), (0, 0, 0, 0)),
]
PARITIES = [(a, b) for a in range(2) for b in range(2)]


@pytest.mark.parametrize("conv", CONVS, ids=str)
def test_the_sums_of_all_phases_are_those_of_the_convolution(conv):
    x, weights = numbers(0, conv.batch, 2, conv.height, conv.width), numbers(1, 3, 2, *conv.kernel)
    total = np.zeros((conv.batch, 3, conv.out_height, conv.out_width))
    for down, across in PARITIES:
        phase, grid = phase_of(conv, (down, across))
        (top, left), (step, _) = grid.first, grid.step
        seen = x[:, :, top::step, left::step][:, :, : phase.height, : phase.width]
        behind = [max(phase.padding[2 + way], 0) for way in range(2)]
        grown = np.pad(seen, ((0, 0), (0, 0), (phase.padding[0], behind[0]), (phase.padding[1], behind[1])))
        taps = weights[:, :, down::2, across::2]
        for i in range(phase.kernel[0]):
            for j in range(phase.kernel[1]):
                part = grown[:, :, i : i + conv.out_height, j : j + conv.out_width].astype(np.float64)
                total += np.einsum("of,nfhw->nohw", taps[:, :, i, j].astype(np.float64), part)
    assert np.allclose(total, reference.sums(conv, x, weights), atol=1e-6)


@pytest.mark.parametrize("conv", CONVS, ids=str)
@pytest.mark.parametrize("parity", PARITIES)
def test_a_phase_gives_as_many_outputs_of_stride_1(conv, parity):
    phase, grid = phase_of(conv, parity)
    assert (phase.out_height, phase.out_width, phase.stride) == (conv.out_height, conv.out_width, (1, 1))
    assert grid.width == conv.width
    assert phase.kernel == tuple((taps - odd + 1) // 2 for taps, odd in zip(conv.kernel, parity, strict=True))


@pytest.mark.parametrize("conv", CONVS, ids=str)
def test_no_tap_is_in_two_phases(conv):
    taps = [phase_of(conv, parity)[0].kernel for parity in PARITIES]
    assert sum(high * wide for high, wide in taps) == conv.kernel[0] * conv.kernel[1]
