"""A 2-d convolution and its epilogue."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rdpass.core.numeric_types import ALL_FLOAT32, NumericTypes
from rdpass.kernels.workload.base import Workload
from rdpass.kernels.workload.epilogue import NO_EPILOGUE, Epilogue


@dataclass(frozen=True)
class Convolution(Workload):
    """A 2-d convolution and its epilogue. ``padding``: top, left, bottom, right, of zeros.

    ``subpixel`` (a, b): every window gives a x b pixels, each from weights of its own: a transposed convolution, or one
    whose channels are shuffled into pixels. Such a one has one group; ``filters`` are those of one pixel.

    ``diagonal``: of weights of bytes the middle tap of each filter's own channel has 16 bits: a folded identity. There
    are as many filters as channels then, one group, an odd window.

    Its constants: weights (subpixels x filters, channels / groups, KH, KW), and ``Epilogue.rows`` rows of numbers per
    channel of every subpixel: the bias, then the activation's.
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
    epilogue: Epilogue = NO_EPILOGUE
    subpixel: tuple[int, int] = (1, 1)
    types: NumericTypes = ALL_FLOAT32
    diagonal: bool = field(default=False, repr=False)

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
        """Rows of windows."""
        return (self.height + self.padding[0] + self.padding[2] - self.reach[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Columns of windows."""
        return (self.width + self.padding[1] + self.padding[3] - self.reach[1]) // self.stride[1] + 1

    @property
    def out_pixels(self) -> int:
        """Pixels of the output map."""
        return self.out_height * self.out_width * self.subpixels

    @property
    def macs(self) -> int:
        kh, kw = self.kernel
        return self.batch * self.out_pixels * self.filters * (self.channels // self.groups) * kh * kw

    @property
    def operations(self) -> int:
        return 2 * self.macs

    @property
    def weights(self) -> int:
        return self.subpixels * self.filters * (self.channels // self.groups) * self.kernel[0] * self.kernel[1]

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == self.subpixel == (1, 1) and self.padding == (0, 0, 0, 0) and self.groups == 1

    @property
    def is_depthwise(self) -> bool:
        return self.groups == self.channels == self.filters and self.groups > 1

    @property
    def is_plain_3x3(self) -> bool:
        """Tell whether it is 3 x 3 of stride 1 without dilation, groups and subpixels."""
        plain = self.stride == self.dilation == (1, 1) and self.groups == self.subpixels == 1
        return self.kernel == (3, 3) and plain

    def in_place(self) -> Convolution:
        return replace(self, epilogue=self.epilogue.placed(True))

    def describe(self) -> str:
        kind = "depthwise" if self.is_depthwise else "conv"
        stride = f"/{self.stride[0]}" if self.stride != (1, 1) else ""
        added = " + add" if self.epilogue.add else ""
        channels, size = f"{self.channels}-{self.filters}", f"{self.height}x{self.width}"
        pixels = f" to {self.subpixel[0]}x{self.subpixel[1]} pixels each" if self.subpixels > 1 else ""
        return f"{kind} {self.kernel[0]}x{self.kernel[1]}{stride} {channels} {size}{pixels}{added}"
