"""The rows of a planar image that a row of windows sees, as bytes, the channels of a pixel side by side.

Every row of the image is taken once: a ring holds as many rows as a window is high, and a new row takes the place of
the oldest. Around the image lies the zero of its bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import NumericType
from rdpass.kernels.builder.emit import bind, serial, when
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.builder.intrinsics import shuffled
from rdpass.kernels.builder.quantizer import RUN, Quantizer, each_run
from rdpass.kernels.workload import Convolution

_SIGN = -128
"""The bit that int8 and uint8 differ in."""

Take = Callable[[int, Expr, int], Expr]
"""So many bytes of a channel, from a place on."""


class ImageRows:
    """Rows of ``image`` (N, C, H W), of float32 or of bytes.

    ``successive``: rows of windows are asked for one after the other; otherwise nothing of the last one's is kept.
    """

    def __init__(self, conv: Convolution, image: Buffer, source: NumericType, by: Quantizer, successive: bool) -> None:
        self.conv, self.image, self.source, self.by = conv, image, source, by
        self.new = min(conv.stride[0], conv.reach[0]) if successive else conv.reach[0]
        needed = (conv.out_width - 1) * conv.stride[1] + conv.reach[1]
        self.row_bytes = max(needed, conv.padding[1] + conv.width) * conv.channels
        # Windows are read in whole vectors, the last of them beyond its end.
        self.rows = scratch(conv.reach[0] * self.row_bytes + RUN)
        self.planar = scratch(conv.channels, conv.width) if source.is_float else None
        with serial(conv.reach[0]) as slot:
            self._clear(slot)

    def enter(self, n: Expr, row: Expr, begin: Expr) -> None:
        """Take what row ``row`` of the windows sees of image ``n``; ``begin``: the first row that is asked for."""
        reach = self.conv.reach[0]
        first = bind(tirx.if_then_else(row == begin, 0, reach - self.new))
        top = bind(row * self.conv.stride[0] - self.conv.padding[0] + first)
        with serial(reach - first) as line:
            number = bind(top + line)
            slot = bind(tirx.floormod(number, reach))
            inside = tirx.all(number >= 0, number < self.conv.height)
            when(inside, lambda: self._take(n, number, slot), lambda: self._clear(slot))

    def line(self, row: Expr, tap: int) -> Expr:
        """Where in ``rows`` the line lies that tap ``tap`` of row ``row`` of the windows sees."""
        number = row * self.conv.stride[0] - self.conv.padding[0] + tap * self.conv.dilation[0]
        return bind(tirx.floormod(number, self.conv.reach[0]) * self.row_bytes)

    def _clear(self, slot: Expr) -> None:
        zero = tirx.Cast(self.by.byte.value, self.by.zero)
        with serial(self.row_bytes) as place:
            store(self.rows, zero, slot * self.row_bytes + place, lanes=1)

    def _take(self, n: Expr, number: Expr, slot: Expr) -> None:
        """Line ``number`` of the image; the ring has zeros beside it from the start."""
        conv, at = self.conv, bind(number * self.conv.width)
        begin = bind(slot * self.row_bytes + conv.padding[1] * conv.channels)
        if self.planar is None:
            self._interleave(begin, lambda c, place, lanes: self._shifted((n, c, at + place), lanes))
            return
        planar = self.planar
        with serial(conv.channels) as c:
            self.by.run(
                conv.width,
                lambda place, lanes: load(self.image, n, c, at + place, lanes=lanes),
                lambda place, value, lanes: store(planar, value, c, place, lanes=lanes),
            )
        self._interleave(begin, lambda c, place, lanes: load(planar, c, place, lanes=lanes))

    def _shifted(self, index: tuple[Expr, ...], lanes: int) -> Expr:
        """Bytes of the image as the kernel's."""
        value, byte = load(self.image, *index, lanes=lanes), self.by.byte
        if byte is self.source:
            return value
        kind = byte.value if lanes == 1 else f"{byte}x{lanes}"
        sign = tirx.reinterpret(byte.value, tirx.const(_SIGN, "int8"))
        return tirx.reinterpret(kind, value) ^ (sign if lanes == 1 else T.Broadcast(sign, lanes))

    def _interleave(self, begin: Expr, take: Take) -> None:
        channels = self.conv.channels

        def many(place: Expr) -> None:
            planes = [bind(take(c, place, RUN)) for c in range(channels)]
            order = [c * RUN + pixel for pixel in range(RUN) for c in range(channels)]
            store(self.rows, shuffled(planes, order), begin + place * channels, lanes=RUN * channels)

        def one(place: Expr) -> None:
            for c in range(channels):
                store(self.rows, take(c, place, 1), begin + place * channels + c, lanes=1)

        each_run(self.conv.width, many, one)


_TAILS = {0: (), 4: (4,), 8: (8,), 12: (8, 4), 15: (16,)}
"""The vectors that copy so many bytes, or fewer than that and more than those before."""


def pieces(run: int) -> list[tuple[int, int]]:
    """(begin, bytes) of the vectors that copy a run; the last may reach beyond its end."""
    whole, rest = divmod(run, RUN)
    lengths = [RUN] * whole + list(next(tail for most, tail in _TAILS.items() if rest <= most))
    return [(sum(lengths[:index]), length) for index, length in enumerate(lengths)]
