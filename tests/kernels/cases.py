"""A case with random numbers for any workload and tile, built as a network's kernels are."""

from __future__ import annotations

from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import NumericType
from rdpass.kernels.choice import build_kernels, template_of
from rdpass.kernels.machine import Machine
from rdpass.kernels.registry import TEMPLATES
from rdpass.kernels.template import Templates, Tile
from rdpass.kernels.workload import Dequantization, Head, Quantization, Stem, Workload
from rdpass.targets.isa import Isa
from tests.kernels.case import Case
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import constants_of, inputs_of, written

_GARBAGE = 3.0
"""What padded channels of inputs hold: packed weights have zeros for them, so it must not matter."""


def machine_with(isa: Isa, threads: int = 1) -> Machine:
    """A core of some caches and memory, which only choices depend on."""
    return Machine(isa, threads, multiplies=1.0, l1=32 << 10, l2=1 << 20, bandwidth=2.5)


def case_of(
    work: Workload, tile: Tile, isa: Isa, threads: int = 1, seed: int = 0, templates: Templates = TEMPLATES
) -> Case:
    """``work`` with ``tile``, one kernel, beside what the template's oracle says of it."""
    numeric = work.types.input
    constants, inputs = (
        rounded(constants_of(work, seed), numeric),
        rounded(inputs_of(work, written(work), seed), numeric),
    )
    (kernel,) = build_kernels(work, constants, tile, machine_with(isa, threads), templates)
    expected = template_of(tile, templates).oracle(work, constants, inputs)
    source, *others = _arguments(work, inputs, isa)
    added = others.pop() if work.epilogue.add else None
    behind = [] if added is None or work.epilogue.in_place else [added]
    return Case(
        f"{work} {tile} {isa.name}", kernel.function, isa, (source, *others, *kernel.constants, *behind),
        *_output(work, expected, isa), before=added if work.epilogue.in_place else None,
    )  # fmt: skip


def rounded(value: Any, numeric: NumericType) -> Any:
    """Arrays of floats, in whatever they lie, as those of type ``numeric``."""
    if isinstance(value, tuple | list):
        return type(value)(rounded(each, numeric) for each in value)
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f" and numeric.is_float
    return value.astype(numeric.value) if is_float else value


def _arguments(work: Workload, inputs: list[Array], isa: Isa) -> list[Array]:
    """Maps as kernels read them: in blocks, but for a planar image."""
    x, *others = inputs
    lanes = isa.block(work.types.input)
    source = x.reshape(*x.shape[:2], -1) if isinstance(work, Stem | Quantization) else to_blocked(x, lanes, _GARBAGE)
    return [source, *(to_blocked(other, lanes) for other in others)]


def _output(work: Workload, expected: Array, isa: Isa) -> tuple[tuple[int, ...], Array, Any]:
    """Its shape, what it has to hold, and the way from the one to the other."""
    if isinstance(work, Head) and work.classes:
        return expected.shape, expected, lambda y: y
    batch, channels, height, width = expected.shape
    if isinstance(work, Dequantization):
        return (batch, channels, height * width), expected, lambda y: y.reshape(expected.shape)
    lanes = isa.block(work.types.output if isinstance(work, Quantization) else work.types.input)
    count = -(-channels // lanes)
    return (
        (batch, count, height * width, lanes),
        expected,
        lambda y: from_blocked(y, channels, height, width),
    )
