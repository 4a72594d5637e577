"""The four phases of a convolution of stride 2: rows and columns of even and of odd number, each with taps of its own.

Tap i of output o meets input 2 o + i - padding. So taps of even number only ever meet inputs of one parity, taps of odd
number those of the other, and next to each other there both ways: every phase is a convolution of stride 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdpass.kernels.builder.row_buffer import Grid
from rdpass.kernels.workload import Convolution

STRIDE = 2


def phase_of(conv: Convolution, parity: tuple[int, int]) -> tuple[Convolution, Grid]:
    """The convolution of taps of such parity, down and across, and where in the whole map its input lies."""
    down, across = (_axis(conv, way, parity[way]) for way in range(2))
    alone = replace(
        conv,
        height=down.extent, width=across.extent, kernel=(down.taps, across.taps), stride=(1, 1),
        padding=(down.before, across.before, down.behind, across.behind),
    )  # fmt: skip
    return alone, Grid((STRIDE, STRIDE), (down.first, across.first), conv.width)


@dataclass(frozen=True)
class _Axis:
    """One way of a phase: extent of its input, the first of it in the whole map, taps, padding before and behind.

    What is behind the last input that is seen is padding of less than 0.
    """

    extent: int
    first: int
    taps: int
    before: int
    behind: int


def _axis(conv: Convolution, way: int, parity: int) -> _Axis:
    extent, out = ((conv.height, conv.out_height), (conv.width, conv.out_width))[way]
    padding, taps = conv.padding[way], (conv.kernel[way] - parity + 1) // STRIDE
    before = max(0, -(-(padding - parity) // STRIDE))
    first = before * STRIDE + parity - padding
    inside = max(0, -(-(extent - first) // STRIDE))
    return _Axis(inside, first, taps, before, out + taps - 1 - before - inside)
