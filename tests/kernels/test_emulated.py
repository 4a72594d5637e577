"""Kernels on an emulated Cortex-A72, all in one program: layers of real networks and hostile shapes."""

from dataclasses import replace
from typing import get_args

import pytest

from rdpass.core.errors import TargetError
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
from rdpass.targets.isa import ASIMD
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.networks import all_layers, conv
from tests.kernels.tolerances import TOLERANCE, WINOGRAD_TOLERANCE, cases_of

ACTIVATIONS = get_args(ActivationKind)
ODD = Convolution(2, 10, 13, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))


@pytest.fixture(scope="module")
def board():
    target = find_target("rpi4")
    try:
        find_compiler(target), find_launcher(target)
    except TargetError as error:
        pytest.skip(str(error))
    return target


def hostile():
    """One or two cases of every kernel, in parallel loops: odd sizes, tails of channels, every activation."""
    wide = replace(ODD, kernel=(1, 1), padding=(0, 0, 0, 0))
    for kind in ACTIVATIONS:
        in_place, late = kind in ("prelu", "clip"), kind in ("silu", "clip", "relu")
        epilogue = Epilogue(kind, -0.5, 0.75, True, in_place, late)
        yield case_of(replace(ODD, epilogue=epilogue), DirectTile(5, 2, 2), ASIMD, 2)
    yield case_of(
        Convolution(1, 30, 42, 12, 11, (3, 5), (2, 1), (1, 2, 1, 0), (1, 2), 6), DirectTile(8, 3, 2), ASIMD, 2
    )
    yield case_of(replace(wide, stride=(2, 2)), PointwiseTile(4, 3), ASIMD, 2)
    yield case_of(
        PointwisePair(wide, replace(wide, channels=13, filters=16, epilogue=Epilogue("relu"))),
        PairTile(8, 2, 20, 2), ASIMD, 2,
    )  # fmt: skip
    yield case_of(ODD, WinogradTile(2, 5, 2, 2), ASIMD, 2)
    yield case_of(ODD, WinogradTile(4, 4, 2, 2, 2), ASIMD, 2)
    yield case_of(ODD, WinogradTile(4, 5, 1, 2, 2, 2), ASIMD, 2)
    strided = replace(ODD, stride=(2, 2), epilogue=Epilogue("prelu", add=True, in_place=True))
    yield case_of(strided, StridedWinogradTile(2, 5, 2, 2, 2), ASIMD, 2)
    yield case_of(replace(strided, padding=(0, 2, 2, 0)), StridedWinogradTile(3, 4, 3, 1, 1, 3), ASIMD, 2)
    yield case_of(strided, StridedWinogradTile(4, 5, 1, 1, 2, 3, wide=2), ASIMD, 2)
    yield case_of(conv(10, 10, 13, 5, 2, 10), DepthwiseTile(), ASIMD, 2)
    yield case_of(conv(10, 10, 13, 3, 1, 10, Epilogue("prelu")), DepthwiseTile(3, 3), ASIMD, 2)
    for kind, divisor in (("max", 0), ("average", 0), ("average", 9)):
        yield case_of(Pooling(1, 10, 13, 12, kind, (3, 3), (2, 2), (1, 1, 1, 2), divisor), PoolingTile(), ASIMD, 2)
    twice, corners = (Places(26, -13, 52), Places(24, -12, 48)), (Places(12, 0, 19), Places(11, 0, 16))
    for work in (
        Resizing(1, 10, 13, 12, 26, 24, "linear", *twice), Resizing(1, 10, 13, 12, 20, 17, "linear", *corners),
        Resizing(1, 10, 13, 12, 26, 24, "nearest", *twice),
    ):  # fmt: skip
        yield case_of(work, ResizingTile(), ASIMD, 2)
    pool = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))
    stem = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("relu"))
    yield case_of(Stem(stem, pool), StemTile(rows=2), ASIMD, 2)
    yield case_of(Stem(stem, pool), StemWinogradTile(5, 2, 2), ASIMD, 2)
    yield case_of(Stem(replace(stem, channels=1, stride=(1, 3))), StemTile(rows=3), ASIMD, 2)
    yield case_of(Head(1, 10, 21, 37), HeadTile(), ASIMD, 2)
    yield case_of(Head(5, 10, 3, 0), HeadTile(), ASIMD, 2)
    yield case_of(Head(2, 10, 3, 21, averages=False), HeadTile(), ASIMD, 2)
    for scale in ("none", "constant", "gate"):
        work = Elementwise(2, 10, 21, Epilogue("prelu", add=True), scale)
        yield case_of(work, ElementwiseTile(), ASIMD, 2)


def test_every_kernel_gives_the_values_of_its_oracle_on_an_emulated_core(board, tmp_path):
    check_emulated([*hostile()], board, tmp_path, WINOGRAD_TOLERANCE)


@pytest.mark.slow
def test_layers_of_networks_give_the_values_of_their_oracles_on_an_emulated_core(board, tmp_path):
    layers = [layer for layer in all_layers() if layer.operations < 26_000_000]
    cases = [case for layer in layers for case, tolerance in cases_of(layer, ASIMD) if tolerance == TOLERANCE]
    assert len(cases) >= 40
    check_emulated(cases, board, tmp_path, TOLERANCE)
