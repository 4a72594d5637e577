"""Random workloads for every kernel, small and hostile: odd sizes, few channels, borders wider than maps, any epilogue.

Each strategy gives a case and its tolerance, in the numeric type that it is given: float32 or float16.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32, NumericTypes
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.templates.depthwise import DepthwiseTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.elementwise import ElementwiseTile
from rdpass.kernels.templates.head import HeadTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.pooling import PoolingTile
from rdpass.kernels.templates.resizing import ResizingTile
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import StemWinogradTile
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import (
    ActivationKind,
    Convolution,
    Elementwise,
    Epilogue,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Resizing,
    Stem,
)
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.cases import case_of
from tests.kernels.examples import retyped
from tests.kernels.tolerances import tolerance_of

ISAS = st.sampled_from([ASIMD, ASIMD, AVX2, SSE, AVX512])
ACTIVATIONS = st.sampled_from(get_args(ActivationKind))
THREADS = st.sampled_from([1, 2])
SEEDS = st.integers(0, 99)


def isas(numeric):
    return ISAS if numeric is FLOAT32 else st.just(isa_of(find_target("rpi5")))


def _case(draw, numeric, work, tile, isa=None):
    case = case_of(
        retyped(work, NumericTypes.all(numeric)), tile, isa or draw(isas(numeric)), draw(THREADS), draw(SEEDS)
    )
    # Sums are up to 2 and more, and float16 rounds those: where bounds, or few outputs, leave less, all may be small.
    largest = 1.0 if numeric is FLOAT32 else min(1.0, float(abs(case.expected).max()) / 2)
    return case, tolerance_of(tile, numeric) / max(largest, 1e-9)


@st.composite
def epilogues(draw, add=True):
    added = add and draw(st.booleans())
    in_place, late = (added and draw(st.booleans()) for _ in range(2))
    return Epilogue(draw(ACTIVATIONS), -0.5, 0.75, added, in_place, late)


@st.composite
def axes(draw, kernels, strides=(1, 2), dilations=(1,), largest=13):
    """Extent, kernel, stride, padding before and after, dilation."""
    kernel, stride = draw(st.sampled_from(kernels)), draw(st.sampled_from(strides))
    dilation = draw(st.sampled_from(dilations))
    reach = (kernel - 1) * dilation + 1
    before, after = draw(st.integers(0, min(reach - 1, 3))), draw(st.integers(0, min(reach - 1, 3)))
    least = max(1, reach - before - after)
    return draw(st.integers(least, max(least, largest))), kernel, stride, before, after, dilation


@st.composite
def convolutions(draw, channels, filters, down, across, groups=1, add=True):
    (height, kh, sh, top, bottom, dh), (width, kw, sw, left, right, dw) = draw(down), draw(across)
    return Convolution(
        draw(st.integers(1, 2)), groups * draw(channels), groups * draw(filters), height, width,
        (kh, kw), (sh, sw), (top, left, bottom, right), (dh, dw), groups, draw(epilogues(add)),
    )  # fmt: skip


def divisors(number):
    return st.sampled_from([part for part in range(1, number + 1) if number % part == 0])


@st.composite
def pointwises(draw, numeric):
    axis = axes((1,), (1, 2))
    conv = draw(convolutions(st.integers(1, 40), st.integers(1, 40), axis, axis))
    isa, vectors = draw(isas(numeric)), draw(st.integers(1, 4))
    parts = draw(divisors(blocks(conv.filters, isa.block(numeric) * vectors)))
    tile = PointwiseTile(draw(st.integers(1, 8)), vectors, draw(st.integers(1, 60)), parts)
    return _case(draw, numeric, conv, tile, isa)


@st.composite
def directs(draw, numeric):
    groups = draw(st.sampled_from([1, 1, 2, 3, 8]))
    axis = axes((1, 2, 3, 5), (1, 2, 3), (1, 1, 2))
    conv = draw(convolutions(st.integers(1, 24 // groups), st.integers(1, 24 // groups), axis, axis, groups))
    tile = DirectTile(draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    return _case(draw, numeric, conv, tile)


@st.composite
def subpixels(draw, numeric):
    axis = axes((1, 2, 3), (1, 2))
    conv = draw(convolutions(st.integers(1, 24), st.integers(1, 24), axis, axis))
    conv = replace(conv, subpixel=(draw(st.integers(1, 3)), draw(st.integers(1, 3))))
    tile = DirectTile(draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    return _case(draw, numeric, conv, tile)


@st.composite
def winograds(draw, numeric):
    axis = axes((3,), (1,))
    conv = draw(convolutions(st.integers(1, 30), st.integers(1, 30), axis, axis))
    isa, vectors, (outputs, wide) = (
        draw(isas(numeric)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([(2, 0), (4, 0), (4, 2)])),
    )
    waiting = draw(divisors(blocks(blocks(conv.filters, isa.block(numeric)), vectors)))
    tile = WinogradTile(outputs, draw(st.integers(1, 8)), vectors, draw(st.integers(1, 3)), waiting, wide)
    return _case(draw, numeric, conv, tile, isa)


def _meets(conv):
    """Whether sums may lie in the output before a map is added to them."""
    return not (conv.epilogue.late and conv.epilogue.in_place)


@st.composite
def strided_winograds(draw, numeric):
    axis = axes((3,), (2,))
    conv = draw(convolutions(st.integers(1, 30), st.integers(1, 30), axis, axis).filter(_meets))
    isa, vectors = draw(isas(numeric)), draw(st.integers(1, 3))
    waiting = draw(divisors(blocks(blocks(conv.filters, isa.block(numeric)), vectors)))
    parts = draw(divisors(blocks(conv.channels, isa.block(numeric))))
    outputs, wide = draw(st.integers(2, 4)), draw(st.sampled_from([0, 2, 3, 4]))
    tile = StridedWinogradTile(outputs, draw(st.integers(1, 8)), vectors, draw(st.integers(1, 3)), waiting, parts, wide)
    return _case(draw, numeric, conv, tile, isa)


@st.composite
def pairs(draw, numeric):
    axis = axes((1,), (1,))
    first = draw(convolutions(st.integers(1, 30), st.integers(1, 70), axis, axis, add=False))
    second = replace(first, channels=first.filters, filters=draw(st.integers(1, 30)), epilogue=draw(epilogues()))
    isa, vectors = draw(isas(numeric)), draw(st.integers(1, 3))
    chunks = draw(divisors(blocks(first.filters, isa.block(numeric) * vectors)))
    if blocks(second.filters, isa.block(numeric)) % vectors or second.epilogue.in_place:
        chunks = 1
    tile = PairTile(draw(st.integers(1, 8)), vectors, draw(st.integers(1, 60)), chunks, draw(st.booleans()))
    return _case(draw, numeric, PointwisePair(first, second), tile, isa)


@st.composite
def depthwises(draw, numeric):
    groups = draw(st.integers(2, 20))
    axis = axes((1, 2, 3, 5), (1, 2, 3), (1, 1, 2))
    conv = draw(convolutions(st.just(1), st.just(1), axis, axis, groups))
    tile = DepthwiseTile(draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    return _case(draw, numeric, conv, tile)


@st.composite
def poolings(draw, numeric):
    (height, kh, sh, top, bottom, _), (width, kw, sw, left, right, _) = (
        draw(axes((1, 2, 3, 5), (1, 2, 3))) for _ in range(2)
    )
    pool = Pooling(
        draw(st.integers(1, 2)), draw(st.integers(1, 20)), height, width, draw(st.sampled_from(["max", "average"])),
        (kh, kw), (sh, sw), (top, left, bottom, right), draw(st.sampled_from([0, kh * kw])),
    )  # fmt: skip
    return _case(draw, numeric, pool, PoolingTile(draw(st.integers(1, 6))))


@st.composite
def places(draw, given, wanted):
    return draw(
        st.sampled_from([
            Places(given, 0, wanted), Places(2 * given, given - wanted, 2 * wanted),
            Places(2 * given, given, 2 * wanted), Places(2 * given, given - 1, 2 * wanted),
            Places(given - 1, 0, max(1, wanted - 1)),
        ])
    )  # fmt: skip


@st.composite
def extents(draw):
    """Of an axis before and after: whole factors, which torch users take, and others; smaller too."""
    given = draw(st.integers(1, 13))
    return given, draw(st.sampled_from([given * factor for factor in (1, 2, 3, 4)]) | st.integers(1, 30))


@st.composite
def resizings(draw, numeric):
    (height, out_height), (width, out_width) = draw(extents()), draw(extents())
    work = Resizing(
        draw(st.integers(1, 2)), draw(st.integers(1, 20)), height, width, out_height, out_width,
        draw(st.sampled_from(["nearest", "linear"])), draw(places(height, out_height)), draw(places(width, out_width)),
    )  # fmt: skip
    return _case(draw, numeric, work, ResizingTile(draw(st.integers(1, 5))))


@st.composite
def stems(draw, numeric):
    axis = axes((1, 3, 4, 7), (1, 2, 3), (1, 1, 2), 25)
    conv = draw(convolutions(st.integers(1, 4), st.integers(1, 24), axis, axis, add=False))
    pool = draw(st.none() | max_pools(conv))
    tile = StemTile(*(draw(st.integers(1, most)) for most in (9, 3, 4, 5)))
    return _case(draw, numeric, Stem(conv, pool), tile)


@st.composite
def winograd_stems(draw, numeric):
    axis = axes((7, 8), (2,), (1,), 25)
    conv = draw(convolutions(st.integers(1, 4), st.integers(1, 24), axis, axis, add=False))
    tile = StemWinogradTile(*(draw(st.integers(1, most)) for most in (8, 3, 4, 5)))
    return _case(draw, numeric, Stem(conv, draw(max_pools(conv))), tile)


@st.composite
def max_pools(draw, conv):
    sizes = conv.out_height, conv.out_width
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in sizes)
    stride = tuple(draw(st.integers(1, 3)) for _ in sizes)
    padding = tuple(draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    return Pooling(conv.batch, conv.filters, *sizes, "max", kernel, stride, padding)


@st.composite
def heads(draw, numeric):
    classes = draw(st.integers(0, 70))
    pixels = draw(st.integers(1 if classes else 2, 60))
    averages = not classes or draw(st.booleans())
    work = Head(draw(st.integers(1, 5)), draw(st.integers(1, 40)), pixels, classes, averages)
    tile = HeadTile(*(draw(st.integers(1, 4)) for _ in range(3)))
    return _case(draw, numeric, work, tile)


@st.composite
def elementwises(draw, numeric):
    sizes = (draw(st.integers(1, most)) for most in (2, 20, 50))
    work = Elementwise(*sizes, draw(epilogues()), draw(st.sampled_from(["none", "constant", "gate"])))
    tile = ElementwiseTile(draw(st.integers(1, 9)))
    return _case(draw, numeric, work, tile)


KINDS = {
    "pointwise": pointwises, "direct": directs, "subpixels": subpixels, "winograd": winograds,
    "strided winograd": strided_winograds, "pair": pairs,
    "depthwise": depthwises, "pooling": poolings, "resizing": resizings, "stem": stems,
    "winograd stem": winograd_stems, "head": heads, "elementwise": elementwises,
}  # fmt: skip
"""For each kind of kernel the strategy of its cases, given what it computes in."""
