"""Register tiles of integer products: bytes times bytes, summed in int32, one class for each way to multiply.

A tile is P pixels times B blocks of sixteen output channels. Its sums run over steps; a step takes the sixteen channels
of one block of input, at one tap. The weights of a step are 256 bytes for each block of outputs, in the order in which
the tile's instructions take them (``pack``).

A way to multiply may go through the steps several times, for a part of the outputs each time. So it is handed where
everything lies (``Walk``), and writes the loops over the steps itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT32, NumericTypes
from rdpass.kernels.builder.emit import Registers, bind, element, serial
from rdpass.kernels.builder.function import (
    Buffer,
    Expr,
    address,
    call_llvm_text,
    distance,
    load,
    pointer_to,
    scratch,
    store,
    workspace_type,
)
from rdpass.kernels.builder.interleaved_sdot import MOST_PIXELS, Loop, Tap, sdot_function
from rdpass.kernels.builder.intrinsics import arm, bits_as, section, shuffled, sum_of_fours, sums_of_twos
from rdpass.kernels.builder.packing import blocks, pad_axis
from rdpass.targets.isa import BYTE_BLOCK, Isa

DEPTH = 4
"""Products that a lane of the wide instructions sums at once."""
BLOCK = BYTE_BLOCK
"""Channels of a block of bytes."""
STEP = BLOCK * BLOCK
"""Weights of a step, for one block of outputs."""

At = tuple[Buffer, tuple[Expr, ...]]
"""A place in a buffer, without the last index."""

Weight = Callable[[int, int], Expr]
"""So many of a step's weights, from a number on."""
Step = Callable[[Callable[[int], At], Weight], None]
"""Adds the products of a step, given where the sixteen channels of pixel ``t`` lie, and its weights."""


@dataclass(frozen=True)
class Walk:
    """All steps of a tile: loops of ``extents``, the outermost first, and in the innermost ``taps`` steps in a row.

    ``pixel(indices of the loops, tap, t)``: where the sixteen channels of pixel ``t`` lie. ``weights(indices, tap)``:
    where the step's weights do.
    """

    extents: tuple[int, ...]
    pixel: Callable[[Sequence[Expr], int, int], At]
    weights: Callable[[Sequence[Expr], int], At]
    taps: int = 1

    def write(self, step: Step) -> None:
        """The loops, with ``step`` in them."""
        with ExitStack() as loops:
            indices = [loops.enter_context(serial(extent)) for extent in self.extents]
            for tap in range(self.taps):
                step(partial(self.pixel, indices, tap), partial(self._weights, indices, tap))

    def _weights(self, indices: Sequence[Expr], tap: int, place: int, lanes: int) -> Expr:
        buffer, index = self.weights(indices, tap)
        return load(buffer, *index, place, lanes=lanes)


Bias = Callable[[int], Expr]
"""The ``v``-th vector of biases of the tile."""


class IntegerProducts(ABC):
    """A register tile of at most ``pixels`` x ``out`` blocks. ``vectors``: of sums that hold one block of outputs.

    ``holds_pixels``: a pixel's channels stay in a register as they are, from which the next tap can take them.
    """

    holds_pixels = False

    def __init__(self, isa: Isa, pixels: int, out: int) -> None:
        self.isa, self.pixels, self.out = isa, pixels, out
        self.lanes = isa.lanes(INT32)
        self.vectors = BLOCK // self.lanes
        self.totals = Registers(pixels * out * self.vectors, isa.vector(INT32))

    @staticmethod
    @abstractmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        """Tell whether the registers hold such a tile; ``held``: pixels that stay there for several taps of a row."""

    @staticmethod
    @abstractmethod
    def order(step: Array) -> Array:
        """Weights (..., 16 outputs, 16 inputs) of steps as (..., 256), for every block of outputs on its own."""

    @abstractmethod
    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        """Sum ``size`` pixels: ``total`` has them then."""

    def total(self, pixel: int, block: int) -> list[Expr]:
        """The sums of the sixteen outputs of a block, as vectors."""
        first = (pixel * self.out + block) * self.vectors
        return [self.totals[first + v] for v in range(self.vectors)]


class DotProducts(IntegerProducts):
    """SDOT by element: four channels of a pixel times four channels of four outputs."""

    holds_pixels = True

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        vectors = BLOCK // isa.lanes(INT32)
        return pixels * out * vectors + max(pixels, held) + vectors <= isa.registers - 1

    @staticmethod
    def order(step: Array) -> Array:
        """Fours of channels, vectors of four outputs, outputs, channels."""
        split = step.reshape(*step.shape[:-2], 4, 4, 4, 4)
        return np.moveaxis(split, -2, -4).reshape(*step.shape[:-2], STEP)

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        count = self.out * self.vectors
        self._start(size, bias)

        def step(pixel: Callable[[int], At], weight: Weight) -> None:
            inputs = [_sixteen(pixel(t)) for t in range(size)]
            for four in range(4):
                for block in range(self.out):
                    weights = [bind(weight(block * STEP + four * 64 + v * 16, 16)) for v in range(4)]
                    for t in range(size):
                        # Folds into the instruction: sdot v0.4s, v1.16b, v2.4b[four].
                        same = bits_as("int8x16", T.Broadcast(element(bits_as("int32x4", inputs[t]), four), 4))
                        for v in range(4):
                            at = t * count + block * self.vectors + v
                            self.totals[at] = arm("int32x4", "sdot", self.totals[at], weights[v], same)

        walk.write(step)

    def _start(self, size: int, bias: Bias) -> None:
        count = self.out * self.vectors
        for v in range(count):
            start = bind(bias(v))
            for t in range(size):
                self.totals[t * count + v] = start


class InterleavedDotProducts(DotProducts):
    """The same in assembly, for a core that starts instructions in order (``interleaved_sdot``).

    The longest loop is the innermost: each turn of those around it loads first numbers before it multiplies.
    """

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        return out == 1 and pixels <= MOST_PIXELS

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        inner = max(range(len(walk.extents)), key=lambda loop: walk.extents[loop])
        loop = _loop_of(walk, size, inner)
        if loop is None or not self.fits(self.isa, size, self.out):
            super().compute(size, bias, walk)
            return
        starts = len(walk.extents) == 1
        if not starts:
            self._start(size, bias)
        with ExitStack() as loops:
            at = [0 if n == inner else loops.enter_context(serial(extent)) for n, extent in enumerate(walk.extents)]
            pixels, weights = (
                address(buffer, *index, 0) for buffer, index in (walk.pixel(at, 0, 0), walk.weights(at, 0))
            )
            biases = [pointer_to(bias(0))] if starts else []
            call_llvm_text(*sdot_function(loop, starts), self.totals.pointer, pixels, weights, *biases)


def _loop_of(walk: Walk, size: int, inner: int) -> Loop | None:
    """A walk's loop number ``inner`` in bytes; None where it goes further than its instructions reach."""
    first, second = ([int(loop == inner) * turn for loop in range(len(walk.extents))] for turn in (0, 1))
    origin, weights = walk.pixel(first, 0, 0), walk.weights(first, 0)
    taps = tuple(
        Tap(
            tuple(distance(origin, walk.pixel(first, tap, t)) for t in range(size)),
            distance(weights, walk.weights(first, tap)),
        )
        for tap in range(walk.taps)
    )
    steps = distance(origin, walk.pixel(second, 0, 0)), distance(weights, walk.weights(second, 0))
    loop = Loop(taps, walk.extents[inner], *steps)
    return loop if loop.is_in_reach else None


class LongProducts(IntegerProducts):
    """SMULL and SMULL2, added in pairs by SADALP: sixteen channels of a pixel times those of one output.

    Every output has a register of four partial sums, so four outputs are summed at a time. Their totals wait in the
    workspace: of a local array LLVM would keep the partial sums instead, four times as many, and add them up
    in the end. Weights are to be above -128: two products of -128 twice would overflow their int16 sum.
    """

    _TOGETHER = 4

    def __init__(self, isa: Isa, pixels: int, out: int) -> None:
        super().__init__(isa, pixels, out)
        numeric = workspace_type()
        self.width = isa.lanes(numeric)
        self.memory, self.kind = scratch(pixels * self.vectors, self.width), str(isa.vector(numeric))

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        return out == 1 and pixels * LongProducts._TOGETHER + pixels + 3 <= isa.registers

    @staticmethod
    def order(step: Array) -> Array:
        """As it is: outputs, channels."""
        return step.reshape(*step.shape[:-2], STEP)

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        partial = Registers(self.pixels * self._TOGETHER, self.isa.vector(INT32))
        for four in range(self.vectors):
            for index in range(size * self._TOGETHER):
                partial[index] = T.Broadcast(tirx.const(0, "int32"), 4)

            def step(pixel: Callable[[int], At], weight: Weight, four: int = four) -> None:
                inputs = [_sixteen(pixel(t)) for t in range(size)]
                for o in range(self._TOGETHER):
                    weights = bind(weight((four * self._TOGETHER + o) * BLOCK, BLOCK))
                    for t in range(size):
                        at = t * self._TOGETHER + o
                        low, high = (_long(inputs[t], weights, h) for h in (0, 1))
                        partial[at] = partial[at] + arm("int32x4", "saddlp", bind(low + high))

            walk.write(step)
            start = bind(bias(four))
            for t in range(size):
                a, b, c, d = (partial[t * self._TOGETHER + o] for o in range(self._TOGETHER))
                value = bits_as(self.kind, _pairwise(_pairwise(a, b), _pairwise(c, d)) + start)
                store(self.memory, value, t * self.vectors + four, 0, lanes=self.width)

    def total(self, pixel: int, block: int) -> list[Expr]:
        places = range(pixel * self.vectors, (pixel + 1) * self.vectors)
        return [bind(bits_as("int32x4", load(self.memory, place, 0, lanes=self.width))) for place in places]


class MatrixProducts(IntegerProducts):
    """SMMLA: eight channels of two pixels times those of two outputs, four sums in a register."""

    holds_pixels = True

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        pairs = -(-pixels // 2)
        return out == 1 and pairs * 8 + 2 * pairs + held + 2 <= isa.registers - 1

    @staticmethod
    def order(step: Array) -> Array:
        """Halves of the channels, pairs of outputs, outputs, channels."""
        split = step.reshape(*step.shape[:-2], 8, 2, 2, 8)
        return np.moveaxis(split, -2, -4).reshape(*step.shape[:-2], STEP)

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        pairs = -(-size // 2)
        sums = Registers(-(-self.pixels // 2) * 8, self.isa.vector(INT32))
        for index in range(pairs * 8):
            sums[index] = T.Broadcast(tirx.const(0, "int32"), 4)

        def step(pixel: Callable[[int], At], weight: Weight) -> None:
            inputs = [_two_pixels(pixel(2 * p), pixel(min(2 * p + 1, size - 1))) for p in range(pairs)]
            for half in range(2):
                for two in range(8):
                    weights = bind(weight(half * 128 + two * 16, 16))
                    for p in range(pairs):
                        at = p * 8 + two
                        sums[at] = arm("int32x4", "smmla", sums[at], inputs[p][half], weights)

        walk.write(step)
        for v in range(4):
            start = bind(bias(v))
            for t in range(size):
                a, b = (bits_as("int64x2", sums[t // 2 * 8 + 2 * v + half]) for half in (0, 1))
                self.totals[t * self.vectors + v] = bits_as("int32x4", shuffled([a, b], [t % 2, 2 + t % 2])) + start


class FourfoldProducts(IntegerProducts):
    """VPDPBUSD: four channels of a pixel, broadcast, times four channels of every output of a vector."""

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int, held: int = 0) -> bool:
        vectors = out * BLOCK // isa.lanes(INT32)
        return pixels * vectors + vectors + 1 <= isa.registers

    @staticmethod
    def order(step: Array) -> Array:
        """Fours of channels, outputs, channels."""
        split = step.reshape(*step.shape[:-2], 16, 4, 4)
        return np.moveaxis(split, -2, -3).reshape(*step.shape[:-2], STEP)

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        width = self.lanes * DEPTH
        self._start(size, bias)

        def step(pixel: Callable[[int], At], weight: Weight) -> None:
            for four in range(4):
                weights = [bind(weight(first, width)) for first in self._firsts(four * 64, width)]
                for t in range(size):
                    buffer, index = pixel(t)
                    four_bytes = bits_as("int32", load(buffer, *index, four * DEPTH, lanes=DEPTH))
                    same = bind(bits_as(f"int8x{width}", T.Broadcast(four_bytes, self.lanes)))
                    for v, vector in enumerate(weights):
                        at = t * len(weights) + v
                        self.totals[at] = sum_of_fours(self.totals[at], same, vector, self.lanes)

        walk.write(step)

    def _firsts(self, part: int, width: int) -> list[int]:
        """The places of the weights that a part of the channels meets, block by block, in the order of the sums."""
        return [block * STEP + part + v * width for block in range(self.out) for v in range(self.vectors)]

    def _start(self, size: int, bias: Bias) -> None:
        for block in range(self.out):
            for v in range(self.vectors):
                start = bind(bias(block * self.vectors + v))
                for t in range(size):
                    self.totals[(t * self.out + block) * self.vectors + v] = start


class TwofoldProducts(FourfoldProducts):
    """VPMADDWD: two channels of a pixel as int16, broadcast, times two channels of every output of a vector."""

    @staticmethod
    def order(step: Array) -> Array:
        """Twos of channels, outputs, channels."""
        split = step.reshape(*step.shape[:-2], 16, 8, 2)
        return np.moveaxis(split, -2, -3).reshape(*step.shape[:-2], STEP)

    def compute(self, size: int, bias: Bias, walk: Walk) -> None:
        width = self.lanes * 2
        self._start(size, bias)

        def step(pixel: Callable[[int], At], weight: Weight) -> None:
            inputs = [bind(bits_as("int32x8", tirx.Cast("int16x16", _sixteen(pixel(t))))) for t in range(size)]
            for two in range(8):
                narrow = (weight(first, width) for first in self._firsts(two * 32, width))
                weights = [bind(tirx.Cast(f"int16x{width}", vector)) for vector in narrow]
                for t in range(size):
                    same = bind(bits_as(f"int16x{width}", T.Broadcast(element(inputs[t], two), self.lanes)))
                    for v, vector in enumerate(weights):
                        at = t * len(weights) + v
                        self.totals[at] = self.totals[at] + sums_of_twos(same, vector, self.lanes)

        walk.write(step)


_WAYS: dict[str, type[IntegerProducts]] = {
    "SDOT": DotProducts,
    "SMULL + SMLAL2 + SADALP": LongProducts,
    "SMMLA": MatrixProducts,
    "VPDPBUSD": FourfoldProducts,
    "VPMADDWD": TwofoldProducts,
    "PMADDWD": TwofoldProducts,
}


def products_of(isa: Isa, types: NumericTypes) -> type[IntegerProducts]:
    """The way in which ``isa`` multiplies bytes fastest."""
    multiply = isa.multiply(types)
    assert multiply is not None, f"{isa.name} does not multiply {types.abbreviation}"
    way = _WAYS[multiply.instruction]
    return InterleavedDotProducts if isa.in_order and way is DotProducts else way


def pack_steps(weights: Array, out: int, way: type[IntegerProducts]) -> Array:
    """(O, I, ...) to (O / 16 out, I / 16, ..., 256 out), spatial axes in between and untouched."""
    filters, channels, *spatial = weights.shape
    groups, inner = blocks(filters, BLOCK * out), blocks(channels, BLOCK)
    padded = pad_axis(pad_axis(weights, 0, groups * BLOCK * out), 1, inner * BLOCK)
    split = padded.reshape(groups, out, BLOCK, inner, BLOCK, *spatial)
    # (groups, inner, ..., out, 16 outputs, 16 inputs)
    order = (0, 3, *range(5, split.ndim), 1, 2, 4)
    steps = way.order(split.transpose(order))
    return np.ascontiguousarray(steps.reshape(*steps.shape[:-2], out * STEP), dtype=np.int8)


def _sixteen(at: At) -> Expr:
    """The channels of a pixel."""
    buffer, index = at
    return bind(load(buffer, *index, 0, lanes=BLOCK))


def _long(left: Expr, right: Expr, half: int) -> Expr:
    return arm("int16x8", "smull", section(left, half, 8), section(right, half, 8))


def _pairwise(left: Expr, right: Expr) -> Expr:
    return arm("int32x4", "addp", left, right)


def _two_pixels(first: At, second: At) -> list[Expr]:
    """The lower and the upper eight channels of two pixels."""
    a, b = (bind(bits_as("int64x2", _sixteen(at))) for at in (first, second))
    return [bind(bits_as("int8x16", shuffled([a, b], [half, 2 + half]))) for half in (0, 1)]
