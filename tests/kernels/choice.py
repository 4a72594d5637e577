"""A plain choice of kernels for a layer, each with its default tile: all that can compute it."""

from __future__ import annotations

from collections.abc import Iterator

from rdpass.kernels.templates.depthwise import DepthwiseTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.elementwise import ElementwiseTile
from rdpass.kernels.templates.head import HeadTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.pooling import PoolingTile
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import StemWinogradTile, is_strided_stem
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile, is_strided
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Pooling, Stem
from rdpass.targets.isa import Isa
from tests.kernels.case import Case
from tests.kernels.cases import (
    depthwise_case,
    direct_case,
    elementwise_case,
    head_case,
    pair_case,
    pointwise_case,
    pooling_case,
    stem_case,
    strided_winograd_case,
    winograd_case,
)
from tests.kernels.networks import Layer

TOLERANCE = 1e-5
WINOGRAD_TOLERANCE = 2e-5
STRIDED_TOLERANCE = 2e-6


def cases_of(layer: Layer, isa: Isa, threads: int = 1) -> Iterator[tuple[Case, float]]:
    """Every kernel for ``layer``, with its tolerance."""
    match layer:
        case Stem():
            yield stem_case(layer, StemTile(), isa, threads), TOLERANCE
            if is_strided_stem(layer):
                yield stem_case(layer, StemWinogradTile(), isa, threads), TOLERANCE
        case Convolution():
            yield from _convolutions(layer, isa, threads)
        case PointwisePair():
            yield pair_case(layer, PairTile(), isa, threads), TOLERANCE
        case Pooling():
            yield pooling_case(layer, PoolingTile(), isa, threads), TOLERANCE
        case Head():
            yield head_case(layer, HeadTile(), isa, threads), TOLERANCE
        case Elementwise():
            yield elementwise_case(layer, ElementwiseTile(), isa, threads), TOLERANCE


def _convolutions(conv: Convolution, isa: Isa, threads: int) -> Iterator[tuple[Case, float]]:
    if conv.is_pointwise:
        yield pointwise_case(conv, PointwiseTile(), isa, threads), TOLERANCE
    elif conv.is_depthwise:
        yield depthwise_case(conv, DepthwiseTile(), isa, threads), TOLERANCE
    else:
        yield direct_case(conv, DirectTile(), isa, threads), TOLERANCE
    if conv.kernel == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == 1:
        yield winograd_case(conv, WinogradTile(2, 8), isa, threads), TOLERANCE
        yield winograd_case(conv, WinogradTile(4, 7), isa, threads), WINOGRAD_TOLERANCE
        yield winograd_case(conv, WinogradTile(4, 8, wide=2), isa, threads), WINOGRAD_TOLERANCE
    if is_strided(conv):
        for outputs in (2, 3, 4):
            yield strided_winograd_case(conv, StridedWinogradTile(outputs, rows=14), isa, threads), STRIDED_TOLERANCE
