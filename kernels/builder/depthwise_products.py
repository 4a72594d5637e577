"""Products of a depthwise window over bytes: each channel by itself, its taps summed in int32, one class for each way.

A tile is R rows x T pixels of output. A sum is made in steps, each of which takes as many taps as the instructions sum
at once, ``depth`` of them:

* ``GatheredTaps``: bytes of four input rows (two, where int16 are multiplied) of a column are interleaved, so that they
  lie side by side for each channel, as SDOT, VPDPBUSD and VPMADDWD want them. What is gathered of a column serves all
  windows that see it, and all rows of the tile: each has weights of its own there, zero for the rows that it does not
  see.
* ``LongTaps``: two taps at a time by SMULL and SMLAL in int16, then added to the sums. Weights are to be above -128:
  two products of -128 twice would overflow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT32
from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import Expr
from rdpass.kernels.builder.intrinsics import arm, interleaved, section, sum_of_fours, sums_of_twos
from rdpass.kernels.builder.packing import blocks, pad_axis
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import BYTE_BLOCK, Isa

_OTHERS = 4
"""Registers for factors, bounds, and one in passing."""

Tap = tuple[int, int] | None
"""Row and column of a window; None where there is none, and the weight is zero."""
Pixel = Callable[[int, int], Expr]
"""The bytes of a pixel that the tile sees, by row and column."""
Weight = Callable[[int], list[Expr]]
"""The vectors of weights of a step, by its number."""


@dataclass(frozen=True)
class Step:
    """Taps that are summed at once: the input rows and columns they lie in, for a window in column 0.

    ``number``: of its weights.
    """

    number: int
    places: tuple[tuple[int, int], ...]


class DepthwiseProducts(ABC):
    """Windows of ``conv`` in tiles of ``rows`` rows. ``channels``: how many are computed at once.

    ``gather_instructions``, ``step_instructions``: what it takes to arrange the pixels of a step, and to add its
    products, for the cost model.
    """

    channels: int
    depth: int
    gather_instructions: int
    step_instructions: int

    def __init__(self, conv: Convolution, rows: int, isa: Isa) -> None:
        self.conv, self.rows, self.isa = conv, rows, isa
        self.lanes = isa.lanes(INT32)
        self.taps: list[tuple[Tap, ...]] = []
        """The taps of each step, by its number."""

    @property
    def vectors(self) -> int:
        """Vectors of sums of a pixel."""
        return self.channels // self.lanes

    @property
    def step_bytes(self) -> int:
        """Weights of a step."""
        return self.depth * self.channels

    @abstractmethod
    def steps(self, row: int) -> tuple[Step, ...]:
        """The steps of a window in a row of the tile."""

    @abstractmethod
    def order(self, steps: Array) -> Array:
        """Weights (..., depth, channels) of steps as (..., bytes)."""

    @abstractmethod
    def split(self, weights: Callable[[int, int], Expr]) -> list[Expr]:
        """The vectors of weights of a step, given how to load bytes of it: from where on, how many."""

    @abstractmethod
    def add(self, sums: list[Expr], pixels: tuple[Expr, ...], weights: list[Expr]) -> list[Expr]:
        """Sums with the products of a step."""

    @abstractmethod
    def gather(self, pixels: list[Expr]) -> tuple[Expr, ...]:
        """Pixels of a step, arranged."""

    @property
    def weight_vectors(self) -> int:
        """Registers that hold all weights of so many channels."""
        return len(self.taps) * self.operands

    def holds_weights(self) -> bool:
        """Tell whether all weights stay in registers, and leave half of them."""
        return self.weight_vectors <= self.isa.registers // 2 + 2

    def missing(self, sums: int) -> int:
        """Registers that so many vectors of sums want beyond those there are, beside weights and what a window sees.

        Where weights are loaded for each step, only a step's pixels are there with them.
        """
        held = self.weight_vectors + self.window_vectors if self.holds_weights() else 2 * self.operands
        return max(0, sums + held + _OTHERS - self.isa.registers)

    @property
    @abstractmethod
    def operands(self) -> int:
        """Vectors of weights of a step."""

    @property
    @abstractmethod
    def window_vectors(self) -> int:
        """Registers of what the windows of a column of the tile see."""

    def _seen(self) -> set[tuple[tuple[int, int], ...]]:
        """The places of all steps of a column of the tile."""
        return {step.places for row in range(self.rows) for step in self.steps(row)}

    def pack(self, weights: Array) -> Array:
        """(C, 1, KH, KW) to (C / 16, 16 / channels, steps, bytes)."""
        count = blocks(len(weights), BYTE_BLOCK)
        padded = pad_axis(weights[:, 0], 0, count * BYTE_BLOCK).reshape(
            count, BYTE_BLOCK // self.channels, self.channels, -1
        )
        nothing = np.zeros(padded.shape[:-1], np.int8)
        width = self.conv.kernel[1]
        several = [
            np.stack([nothing if tap is None else padded[..., tap[0] * width + tap[1]] for tap in taps], axis=-2)
            for taps in self.taps
        ]
        return np.ascontiguousarray(self.order(np.stack(several, axis=2)), dtype=np.int8)

    def _step(self, taps: tuple[Tap, ...], places: tuple[tuple[int, int], ...]) -> Step:
        """A step whose weights are those of another with the same taps, if there is one."""
        if taps not in self.taps:
            self.taps.append(taps)
        return Step(self.taps.index(taps), places)


class LongTaps(DepthwiseProducts):
    """SMULL, SMLAL, SADDW: two taps, wherever they lie."""

    channels, depth = BYTE_BLOCK, 2
    gather_instructions, step_instructions = 0, 8
    operands = depth

    def __init__(self, conv: Convolution, rows: int, isa: Isa) -> None:
        super().__init__(conv, rows, isa)
        self._rows = [tuple(self._of(row)) for row in range(rows)]

    def _of(self, row: int) -> Iterator[Step]:
        (kh, kw), (dh, dw) = self.conv.kernel, self.conv.dilation
        every: list[tuple[int, int]] = [(i, j) for i in range(kh) for j in range(kw)]
        for taps in (every[at : at + 2] for at in range(0, len(every), 2)):
            places = tuple((row * self.conv.stride[0] + i * dh, j * dw) for i, j in taps)
            yield self._step((*taps, None)[:2], places)

    def steps(self, row: int) -> tuple[Step, ...]:
        return self._rows[row]

    @property
    def window_vectors(self) -> int:
        return len({place for places in self._seen() for place in places})

    def order(self, steps: Array) -> Array:
        return steps.reshape(*steps.shape[:-2], self.step_bytes)

    def split(self, weights: Callable[[int, int], Expr]) -> list[Expr]:
        return [weights(tap * BYTE_BLOCK, BYTE_BLOCK) for tap in range(self.depth)]

    def gather(self, pixels: list[Expr]) -> tuple[Expr, ...]:
        return tuple(pixels)

    def add(self, sums: list[Expr], pixels: tuple[Expr, ...], weights: list[Expr]) -> list[Expr]:
        added = []
        for half in (0, 1):
            first, *others = (
                arm("int16x8", "smull", section(pixel, half, 8), section(weight, half, 8))
                for pixel, weight in zip(pixels, weights, strict=False)
            )
            products = bind(first + others[0] if others else first)
            for part in (0, 1):
                added.append(sums[2 * half + part] + tirx.Cast("int32x4", section(products, part, 4)))
        return added


class GatheredTaps(DepthwiseProducts):
    """Rows of a column side by side for each channel."""

    instruction: str

    def __init__(self, conv: Convolution, rows: int, isa: Isa) -> None:
        super().__init__(conv, rows, isa)
        (kh, kw), (dh, dw), down = conv.kernel, conv.dilation, conv.stride[0]
        seen = sorted({row * down + i * dh for row in range(rows) for i in range(kh)})
        groups = [seen[at : at + self.depth] for at in range(0, len(seen), self.depth)]
        self._rows: list[tuple[Step, ...]] = []
        for row in range(rows):
            tap_of = {row * down + i * dh: i for i in range(kh)}
            own = []
            for group in groups:
                if tap_of.keys() & set(group):
                    filled = (*group, *[-1] * (self.depth - len(group)))
                    for j in range(kw):
                        taps = tuple((tap_of[at], j) if at in tap_of else None for at in filled)
                        own.append(self._step(taps, tuple((at, j * dw) for at in group)))
            self._rows.append(tuple(own))

    def steps(self, row: int) -> tuple[Step, ...]:
        return self._rows[row]

    @property
    def operands(self) -> int:
        return self.vectors

    @property
    def window_vectors(self) -> int:
        return len(self._seen()) * self.vectors

    def order(self, steps: Array) -> Array:
        return np.swapaxes(steps, -1, -2).reshape(*steps.shape[:-2], self.step_bytes)

    def split(self, weights: Callable[[int, int], Expr]) -> list[Expr]:
        each = self.lanes * self.depth
        return [weights(v * each, each) for v in range(self.vectors)]

    def gather(self, pixels: list[Expr]) -> tuple[Expr, ...]:
        """Where there are fewer pixels than are summed, the last one fills the places: its weights are zero there."""
        filled = [*pixels, *[pixels[-1]] * (self.depth - len(pixels))]
        lanes = self.channels
        while len(filled) > 1:
            half = len(filled) // 2
            filled = [bind(interleaved(a, b, lanes)) for a, b in zip(filled[:half], filled[half:], strict=True)]
            lanes *= 2
        return tuple(bind(section(filled[0], v, self.lanes * self.depth)) for v in range(self.vectors))

    def add(self, sums: list[Expr], pixels: tuple[Expr, ...], weights: list[Expr]) -> list[Expr]:
        return [self._product(*three) for three in zip(sums, pixels, weights, strict=True)]

    @abstractmethod
    def _product(self, total: Expr, pixels: Expr, weights: Expr) -> Expr: ...


class DotTaps(GatheredTaps):
    """SDOT: eight channels at a time, so that weights of two rows stay in registers."""

    channels, depth = 8, 4
    gather_instructions, step_instructions = 4, 2

    def _product(self, total: Expr, pixels: Expr, weights: Expr) -> Expr:
        return arm("int32x4", "sdot", total, pixels, weights)


class FourfoldTaps(GatheredTaps):
    """VPDPBUSD."""

    channels, depth = BYTE_BLOCK, 4
    gather_instructions, step_instructions = 7, 1

    def _product(self, total: Expr, pixels: Expr, weights: Expr) -> Expr:
        return sum_of_fours(total, pixels, weights, self.lanes)


class TwofoldTaps(GatheredTaps):
    """VPMADDWD, of bytes made int16."""

    channels, depth = BYTE_BLOCK, 2
    gather_instructions, step_instructions = 4, 2

    def gather(self, pixels: list[Expr]) -> tuple[Expr, ...]:
        return tuple(bind(self._wide(part)) for part in super().gather(pixels))

    def split(self, weights: Callable[[int, int], Expr]) -> list[Expr]:
        return [self._wide(part) for part in super().split(weights)]

    def _wide(self, value: Expr) -> Expr:
        return tirx.Cast(f"int16x{self.lanes * self.depth}", value)

    def _product(self, total: Expr, pixels: Expr, weights: Expr) -> Expr:
        return total + sums_of_twos(pixels, weights, self.lanes)


_WAYS: dict[str, type[DepthwiseProducts]] = {
    "SDOT": DotTaps,
    "SMULL + SMLAL2 + SADALP": LongTaps,
    "VPDPBUSD": FourfoldTaps,
    "VPMADDWD": TwofoldTaps,
    "PMADDWD": TwofoldTaps,
}


def depthwise_products(conv: Convolution, rows: int, isa: Isa) -> DepthwiseProducts:
    """The fastest way that ``isa`` has."""
    names = [multiply.instruction for multiply in isa.multiplies if multiply.accumulator is INT32]
    return next(_WAYS[name] for name in names if name in _WAYS)(conv, rows, isa)
