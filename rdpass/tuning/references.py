"""What a tile's numbers are held against, and how exactly, by the types that it computes in.

1. Kernels of bytes are exact: their output is the template's oracle's, to the last bit.
2. Kernels of floats give what the default tile gives, to the rounding of their type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT16, HALF, SINGLE
from rdpass.deploy.precision import TOLERANCES
from rdpass.kernels.choice import template_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import (
    Convolution,
    Dequantization,
    Elementwise,
    Head,
    PointwisePair,
    Pooling,
    Quantization,
    Resizing,
    Stem,
    Workload,
)
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.kernels.workload.lookup import Lookup
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.tuning.job import Step
from rdpass.tuning.worker import added_of, arguments_of, as_map


def tolerance_of(work: Workload) -> float:
    """The largest relative error of a tile's output."""
    if is_exact(work):
        return 0.0
    return TOLERANCES[HALF if work.types.input is FLOAT16 else SINGLE]


def is_exact(work: Workload) -> bool:
    """Tell whether bytes are read or written: then the numbers are whole, or one product of a whole number."""
    return any(not numeric.is_float for types in work.all_types for numeric in (types.input, types.output))


def expected_of(occurrence: Occurrence, tile: Tile, steps: Sequence[Step]) -> Array | None:
    """The oracle's output for the maps that a worker gives to ``steps``, where that has to be met exactly, else None:
    then the default tile's has to be met.

    ``tile``: the one that the kernels of ``steps`` have.
    """
    work = occurrence.workload
    shapes = _read(work)
    if not is_exact(work) or not shapes:
        return None
    inputs = arguments_of(steps[0])[: steps[0].inputs]
    added = added_of(steps[-1])
    maps = list(map(as_map, inputs, shapes))
    if added is not None:
        maps.append(as_map(added, _added(work)))
    expected = template_of(tile).oracle(work, occurrence.constants, maps)
    return np.asarray(expected, work.types.output.value)  # it goes through a pipe with every tile


_Shape = tuple[int, int, int, int]


def _read(work: Any) -> list[_Shape]:
    """The shapes of all maps before the constants; none of a workload that a package has added."""
    match work:
        case PointwisePair(first, _):
            return _read(first)
        case Stem(conv, _):
            return _read(conv)
        case Convolution() | Pooling() | Resizing():
            return [(work.batch, work.channels, work.height, work.width)]
        case Concatenation():
            return [(work.batch, channels, work.pixels, 1) for channels in work.parts]
        case Elementwise() | Head() | Quantization() | Dequantization() | Lookup():
            own = work.batch, work.channels, work.pixels, 1
            scales = {"gate": [(work.batch, work.channels, 1, 1)], "map": [own]}
            return [own, *(scales.get(work.scale, []) if isinstance(work, Elementwise) else [])]
    return []


def _added(work: Any) -> _Shape:
    match work:
        case PointwisePair(_, second):
            return _added(second)
        case Stem(conv, _):
            return _added(conv)
        case Convolution():
            (down, across), height, width = work.subpixel, work.out_height, work.out_width
            return work.batch, work.filters, height * down, width * across
    return work.batch, work.channels, work.pixels, 1
