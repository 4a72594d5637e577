"""The epilogue of integer sums, written: to bytes, with another map added where there is one, or to float32.

The formulas are in ``kernels.quantization``. A block of sixteen channels of a pixel is stored at once, or half of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import mul
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32, INT32, NumericTypes
from rdpass.kernels import quantization as place
from rdpass.kernels.builder.emit import bind, highest, lowest
from rdpass.kernels.builder.function import Buffer, Expr, argument, load, store
from rdpass.kernels.builder.intrinsics import arm, bits_as, llvm, section, shuffled
from rdpass.kernels.quantization import Short
from rdpass.kernels.workload import Epilogue
from rdpass.targets.isa import Isa

_SHORT = float(np.int32(place.SHORT).view(FLOAT32.value))


class Requantizer:
    """Writes epilogues. ``factors``: a buffer (padded filters) of float32; ``scalars``: ``Requantization.scalars``.

    ``channels``: how many are stored at once, sixteen or eight. ``short``, on ARM: what is
    short is added to a larger float instead of converted, short sums having started from ``quantization.SHORT``.
    """

    def __init__(
        self, epilogue: Epilogue, isa: Isa, types: NumericTypes, factors: Buffer, scalars: Buffer,
        other: Buffer | None = None, channels: int = 16, short: Short = Short.NOTHING,
    ) -> None:  # fmt: skip
        self.epilogue, self.isa, self.types = epilogue, isa, types
        self.factors, self.scalars, self.other = factors, scalars, other
        self.vector, self.lanes = isa.vector(FLOAT32), isa.lanes(INT32)
        self.channels, self.vectors, self.short = channels, channels // self.lanes, short
        self._waiting: list[tuple[Buffer, Expr, tuple[Expr, ...], int]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store what is put in here at the end, all at once.

        A compiler that can't tell whether a store changes what is loaded after it keeps the two in order: so nothing
        of one value would be computed while the one before waits.
        """
        self._waiting = []
        yield
        waiting, self._waiting = self._waiting, None
        for out, value, index, lanes in waiting:
            store(out, value, *index, lanes=lanes)

    def _store(self, out: Buffer, value: Expr, *index: Expr, lanes: int) -> None:
        if self._waiting is None:
            store(out, value, *index, lanes=lanes)
        else:
            self._waiting.append((out, bind(value), index, lanes))

    def rows(self, block: Expr) -> list[Expr]:
        """The factors of a block of so many channels as are stored at once."""
        first = block * self.channels
        return [bind(load(self.factors, first + v * self.lanes, lanes=self.lanes)) for v in range(self.vectors)]

    def put(self, totals: list[Expr], rows: list[Expr], out: Buffer, index: tuple[Expr, ...]) -> None:
        """Store what the sums become, at a place of which ``index`` is the first lane."""
        self.scale([self._float(total) for total in totals], rows, out, index)

    def scale(self, sums: list[Expr], rows: list[Expr], out: Buffer, index: tuple[Expr, ...]) -> None:
        """Store what sums become that are float32 already."""
        # Short values are rounded by an addition.
        times = self._product if self.short else mul
        floats = [times(total, row) for total, row in zip(sums, rows, strict=True)]
        if self.types.output is FLOAT32:
            *outer, last = index
            for v, value in enumerate(floats):
                self._store(out, value, *outer, last + v * self.lanes, lanes=self.lanes)
            return
        if not self.epilogue.add:
            self.bytes(floats, (place.ZERO, place.LOW, place.HIGH), out, index)
            return
        held = map(partial(self._held, bounds=(place.ZERO, place.LOW, place.HIGH)), floats)
        self.join([self._whole(value) for value in held], out, index)

    def join(self, values: list[Expr], out: Buffer, index: tuple[Expr, ...]) -> None:
        """Store the sum of whole numbers, less their zero, and the map that is added."""
        others = self.widened(out if self.epilogue.in_place else self.other, index, place.OTHER_ZERO)
        own, times = (self._number(at) for at in (place.OWN, place.OTHER))
        pairs = zip(values, others, strict=True)
        sums = [self._product(value, own) + self._product(added, times) for value, added in pairs]
        self.bytes(sums, (place.SUM_ZERO, place.SUM_LOW, place.SUM_HIGH), out, index)

    def widened(self, source: Buffer, index: tuple[Expr, ...], zero: int) -> list[Expr]:
        """A block of bytes, less the zero at that place, as vectors of float32."""
        kind = str(self.vector)
        if not self.isa.by_element:
            *outer, last = index
            parts = (load(source, *outer, last + v * self.lanes, lanes=self.lanes) for v in range(self.vectors))
            less = T.Broadcast(self._scalar(zero), self.lanes)
            return [bind(tirx.Cast(kind, tirx.Cast(f"int32x{self.lanes}", part) - less)) for part in parts]
        value = bind(load(source, *index, lanes=self.channels))
        less = T.Broadcast(tirx.Cast("int16", self._scalar(zero)), 8)
        halves = [bind(tirx.Cast("int16x8", section(value, half, 8)) - less) for half in range(self.channels // 8)]
        return [
            bind(tirx.Cast(kind, tirx.Cast("int32x4", section(halves[v // 2], v % 2, 4)))) for v in range(self.vectors)
        ]

    def bytes(self, floats: list[Expr], bounds: tuple[int, int, int], out: Buffer, index: tuple[Expr, ...]) -> None:
        """Round values, add the zero, hold them, and store them as bytes."""
        if self.isa.by_element:
            self._store(out, self._narrowed([bind(value) for value in floats], bounds), *index, lanes=self.channels)
            return
        *outer, last = index
        zero = T.Broadcast(self._scalar(bounds[0]), self.lanes)
        for v, value in enumerate(floats):
            rounded = tirx.Cast(f"int32x{self.lanes}", self._whole(self._held(value, bounds)))
            stored = tirx.Cast(f"{self.types.output}x{self.lanes}", rounded + zero)
            self._store(out, stored, *outer, last + v * self.lanes, lanes=self.lanes)

    def _narrowed(self, floats: list[Expr], bounds: tuple[int, int, int]) -> Expr:
        """ARM: every step saturates, so only bounds that leave less than a byte are held."""
        zero, low, high = bounds
        narrow = narrowed_short if self.short and not self.epilogue.add else narrowed
        value = narrow(floats, self._scalar(zero))
        if self.epilogue.activation == "none":
            return value
        least, most = (T.Broadcast(tirx.Cast("int8", self._scalar(at)), self.channels) for at in (low, high))
        return T.min(T.max(value, least), most)

    def _float(self, total: Expr) -> Expr:
        """Sums as float32."""
        kind = str(self.vector)
        return bits_as(kind, total) - _short(self.lanes) if self.short is Short.SUMS else tirx.Cast(kind, total)

    def _held(self, value: Expr, bounds: tuple[int, int, int]) -> Expr:
        """Values between the bounds, both less the zero."""
        zero, low, high = map(self._scalar, bounds)
        least, most = (T.Broadcast(tirx.Cast(FLOAT32.value, bound - zero), self.lanes) for bound in (low, high))
        return lowest([highest([value, least], self.isa, self.vector), most], self.isa, self.vector)

    def _product(self, value: Expr, factor: Expr) -> Expr:
        """A product that is rounded by itself: LLVM would make one instruction, which does not, of it and an addition.

        FMULX is FMUL but for zero times infinity. On x86 a zero is added that LLVM does not know.
        """
        if self.isa.by_element:
            return arm(str(self.vector), "fmulx", value, factor)
        return self._call("fma", value, factor, self._number(place.NOTHING))

    def _scalar(self, at: int) -> Expr:
        return self.scalars[(at,)]

    def _number(self, at: int) -> Expr:
        """A scalar whose bits are a float32, as a vector."""
        return T.Broadcast(tirx.reinterpret(FLOAT32.value, self._scalar(at)), self.lanes)

    def _whole(self, value: Expr) -> Expr:
        """The whole number next to each value, the even one of two."""
        return self._call("rint", value)

    def _call(self, name: str, *operands: Any) -> Expr:
        return llvm(str(self.vector), name, *operands)


def narrowed(floats: list[Expr], zero: Expr) -> Expr:
    """ARM: eight or sixteen numbers, rounded, plus the zero, as int8. Every step saturates; NaN is the zero."""
    narrow = [arm("int16x4", "sqxtn", arm("int32x4", "fcvtns", value)) for value in floats]
    shift = T.Broadcast(tirx.Cast("int16", zero), 8)
    halves = [shuffled(narrow[at : at + 2], range(8)) for at in range(0, len(narrow), 2)]
    moved = [llvm("int16x8", "sadd.sat", half, shift) for half in halves]
    return shuffled([arm("int8x8", "sqxtn", half) for half in moved], range(8 * len(moved)))


def narrowed_short(floats: list[Expr], zero: Expr) -> Expr:
    """ARM: the same of numbers below 2^15, which are rounded into the low bits of a larger one."""
    rounded = [bits_as("int16x8", value + _short(4)) for value in floats]
    shift = T.Broadcast(tirx.Cast("int16", zero), 8)
    halves = [shuffled(rounded[at : at + 2], range(0, 16, 2)) for at in range(0, len(rounded), 2)]
    moved = [llvm("int16x8", "sadd.sat", half, shift) for half in halves]
    return shuffled([arm("int8x8", "sqxtn", half) for half in moved], range(8 * len(moved)))


def _short(lanes: int) -> Expr:
    return T.Broadcast(tirx.const(_SHORT, FLOAT32.value), lanes)


def scalars_argument(suffix: str = "") -> Buffer:
    """What is the same for all channels."""
    return argument(f"scalars{suffix}", INT32, place.SCALARS)
