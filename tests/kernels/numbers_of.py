"""The constants of any workload, all zeros, as ``make_kernel`` takes them, for tests that need no values."""

from __future__ import annotations

from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Stem, Workload


def numbers_of(work: Workload) -> tuple[Any, ...]:
    """Weights and tables, by the workload's kind."""
    match work:
        case Convolution():
            return _convolution(work)
        case PointwisePair(first, second):
            return tuple(zip(_convolution(first), _convolution(second), strict=True))
        case Stem(convolution, _):
            return _convolution(convolution)
        case Head(classes=0):
            return (None,)
        case Head():
            depth = work.channels * (1 if work.averages else work.pixels)
            return ((_zeros(work.classes, depth), _zeros(work.classes)),)
        case Elementwise():
            return (tuple(_zeros(work.channels) for _ in range(work.rows)),)
        case _:
            return ()


def _convolution(conv: Convolution) -> tuple[Any, ...]:
    rows = tuple(_zeros(conv.filters) for _ in range(conv.epilogue.rows))
    return _zeros(conv.filters, conv.channels // conv.groups, *conv.kernel), rows


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)
