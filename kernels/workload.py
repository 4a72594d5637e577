"""What a kernel is asked to compute: shapes, strides, and what is done to a value before it is stored.

All are hashable, so that equal workloads share one kernel. Activations are (N, C, H, W) in these words; how they lie in
memory is the layout's business (see ``memory``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

ActivationKind = Literal[
    "none", "relu", "clip", "channel_clip", "prelu", "hard_swish", "hard_sigmoid", "silu", "sigmoid"
]


@dataclass(frozen=True)
class Epilogue:
    """What happens to a convolution's sum: + bias, activation, store; and another map of the same shape is added.

    ``activation``: ``clip`` uses ``low`` and ``high``; ``channel_clip`` has a lower and an upper bound per channel and
    ``prelu`` a slope per channel, which lie behind the bias in the kernel's table. ``add``: a second map is added,
    before the activation or, where ``late``, behind it; ``in_place``: that map's buffer is the one that is written.
    """

    activation: ActivationKind = "none"
    low: float = 0.0
    high: float = 0.0
    add: bool = False
    in_place: bool = False
    late: bool = False

    @property
    def rows(self) -> int:
        """Numbers per channel in the kernel's table: the bias, then the activation's own."""
        return 1 + {"channel_clip": 2, "prelu": 1}.get(self.activation, 0)

    def placed(self, in_place: bool) -> Epilogue:
        """The same, written over the map that is added or not."""
        return replace(self, in_place=in_place)


@dataclass(frozen=True)
class Convolution:
    """A 2-d convolution and its epilogue. ``padding``: top, left, bottom, right, of zeros.

    ``subpixel`` (a, b): every window gives a x b pixels, each from weights of its own: a transposed convolution, or one
    whose channels are shuffled into pixels. Such a one has one group; ``filters`` are those of one pixel.
    """

    batch: int
    channels: int
    filters: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    epilogue: Epilogue = Epilogue()
    subpixel: tuple[int, int] = (1, 1)

    @property
    def subpixels(self) -> int:
        """Pixels that a window gives."""
        return self.subpixel[0] * self.subpixel[1]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns of input that one output sees."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def out_height(self) -> int:
        """Of windows."""
        return (self.height + self.padding[0] + self.padding[2] - self.reach[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Of windows."""
        return (self.width + self.padding[1] + self.padding[3] - self.reach[1]) // self.stride[1] + 1

    @property
    def macs(self) -> int:
        kh, kw = self.kernel
        pixels = self.batch * self.out_height * self.out_width * self.subpixels
        return pixels * self.filters * (self.channels // self.groups) * kh * kw

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == self.subpixel == (1, 1) and self.padding == (0, 0, 0, 0) and self.groups == 1

    @property
    def is_depthwise(self) -> bool:
        return self.groups == self.channels == self.filters and self.groups > 1


@dataclass(frozen=True)
class PointwisePair:
    """Two pointwise convolutions of stride 1 in a row; nothing else reads the map between them."""

    first: Convolution
    second: Convolution


@dataclass(frozen=True)
class Pooling:
    """Maximum or average over a window; an average divides by ``divisor`` or, where that is 0, by what it covers."""

    batch: int
    channels: int
    height: int
    width: int
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    divisor: int = 0

    @property
    def out_height(self) -> int:
        return (self.height + self.padding[0] + self.padding[2] - self.kernel[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        return (self.width + self.padding[1] + self.padding[3] - self.kernel[1]) // self.stride[1] + 1


@dataclass(frozen=True)
class Places:
    """Where the outputs of an axis lie on its input: output i at (a i + b) / d, held to the axis."""

    a: int
    b: int
    d: int


@dataclass(frozen=True)
class Resizing:
    """A map at other extents: ``nearest`` takes the input that lies at or before a place, ``linear`` mixes two."""

    batch: int
    channels: int
    height: int
    width: int
    out_height: int
    out_width: int
    kind: Literal["nearest", "linear"]
    down: Places
    across: Places


@dataclass(frozen=True)
class Elementwise:
    """An epilogue on a map that is there already, in place of a convolution's sum.

    ``scale``: before it every channel is multiplied by a number of the table (``constant``), or by what another map of
    one pixel says for its image (``gate``).
    """

    batch: int
    channels: int
    pixels: int
    epilogue: Epilogue
    scale: Literal["none", "constant", "gate"] = "none"

    @property
    def rows(self) -> int:
        """Numbers per channel in the kernel's table: the epilogue's, then the scale."""
        return self.epilogue.rows + (self.scale == "constant")


@dataclass(frozen=True)
class Stem:
    """The first convolution of a network, of a planar (N, C, H, W) input, and the pooling right after it, if any."""

    convolution: Convolution
    pooling: Pooling | None = None


@dataclass(frozen=True)
class Head:
    """The mean over all pixels and the fully connected layer after it.

    ``classes`` 0: no layer; ``pixels`` 1: no mean. ``averages`` false: no mean either, the layer reads every pixel.
    """

    batch: int
    channels: int
    pixels: int
    classes: int
    averages: bool = True


Workload = Convolution | PointwisePair | Stem | Pooling | Resizing | Head | Elementwise
"""What a kernel is chosen for, and tiles are tuned for."""


def written_over(work: Workload) -> Workload:
    """``work``, which adds a map, with that map's buffer as its output."""
    match work:
        case PointwisePair():
            return replace(work, second=_in_place(work.second))
        case Stem():
            return replace(work, convolution=_in_place(work.convolution))
        case Convolution():
            return _in_place(work)
        case Elementwise():
            return replace(work, epilogue=work.epilogue.placed(True))
        case _:
            raise TypeError(f"{work} adds no map")


def _in_place(conv: Convolution) -> Convolution:
    return replace(conv, epilogue=conv.epilogue.placed(True))


def operations(work: Workload) -> int:
    """Arithmetic operations of a workload, without its epilogue: two for each multiply-accumulate."""
    match work:
        case Convolution():
            return 2 * work.macs
        case PointwisePair(first, second):
            return 2 * (first.macs + second.macs)
        case Stem(convolution, pool):
            return 2 * convolution.macs + (0 if pool is None else operations(pool))
        case Pooling():
            window = work.kernel[0] * work.kernel[1]
            return work.batch * work.channels * work.out_height * work.out_width * window
        case Resizing():
            each = 3 * 2 if work.kind == "linear" else 0  # a multiply-accumulate for each of three mixtures
            return work.batch * work.channels * work.out_height * work.out_width * each
        case Head():
            read = work.channels * (1 if work.averages else work.pixels)
            return work.batch * (2 * read * work.classes + work.averages * work.channels * work.pixels)
        case Elementwise():
            return work.batch * work.channels * work.pixels
