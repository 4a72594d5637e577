"""Threads change when a number is computed, never which; and each of them has as much to do as the others."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
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
from rdpass.kernels.workload import Elementwise, Epilogue, Head, Places, PointwisePair, Pooling, Resizing, Stem
from rdpass.targets.isa import AVX2
from rdpass.targets.lookup import find_target
from tests.kernels.balance import balance
from tests.kernels.cases import case_of
from tests.kernels.networks import conv, plain50, resnet18, resnet50
from tests.kernels.numbers import constants_of
from tests.kernels.tester import run

NARROW, WIDE = conv(20, 44, 13, 1), conv(44, 20, 13, 1)
STEM = Stem(conv(3, 20, 29, 7, 2), Pooling(1, 20, 15, 15, "max", (3, 3), (2, 2), (1, 1, 1, 1)))
CASES = {
    "pointwise": lambda threads: case_of(NARROW, PointwiseTile(6, 2, 24, 3), AVX2, threads),
    "pair": lambda threads: case_of(PointwisePair(NARROW, WIDE), PairTile(6, 1, 24, 2), AVX2, threads),
    "pair by groups": lambda threads: case_of(
        PointwisePair(NARROW, WIDE), PairTile(6, 1, 24, 2, groups_parallel=True), AVX2, threads
    ),
    "direct": lambda threads: case_of(conv(20, 44, 13, 3, 2), DirectTile(6, 2, 2, 3), AVX2, threads),
    "winograd 2": lambda threads: case_of(conv(20, 44, 13, 3), WinogradTile(2, 6, 2, 2), AVX2, threads),
    "winograd 4": lambda threads: case_of(conv(20, 44, 13, 3), WinogradTile(4, 6, 1, 2, 2), AVX2, threads),
    "winograd 4x2": lambda threads: case_of(conv(20, 44, 13, 3), WinogradTile(4, 6, 1, 2, 2, 2), AVX2, threads),
    "strided winograd": lambda threads: case_of(
        conv(20, 44, 29, 3, 2), StridedWinogradTile(4, 6, 1, 2, 2, 3, 2), AVX2, threads
    ),
    "depthwise": lambda threads: case_of(conv(44, 44, 13, 3, 1, 44), DepthwiseTile(), AVX2, threads),
    "pooling": lambda threads: case_of(STEM.pooling, PoolingTile(), AVX2, threads),
    "resizing": lambda threads: case_of(
        Resizing(1, 20, 7, 9, 14, 18, "linear", Places(14, -7, 28), Places(18, -9, 36)), ResizingTile(), AVX2, threads
    ),
    "stem": lambda threads: case_of(STEM, StemTile(6, 2, 3), AVX2, threads),
    "winograd stem": lambda threads: case_of(STEM, StemWinogradTile(5, 2, 3), AVX2, threads),
    "head": lambda threads: case_of(Head(1, 44, 21, 70), HeadTile(), AVX2, threads),
    "elementwise": lambda threads: case_of(
        Elementwise(2, 44, 21, Epilogue("silu", add=True), "gate"), ElementwiseTile(), AVX2, threads
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_two_and_more_threads_give_the_bits_of_one(kind):
    alone, *others = (CASES[kind](threads) for threads in (1, 2, 5))
    expected = run(alone)[-2]
    for case in others:
        assert np.array_equal(run(case)[-2], expected)


@pytest.mark.parametrize("threads", [2, 4])
def test_no_kernel_of_a_network_leaves_a_tenth_of_its_threads_idle(threads):
    machine = replace(machine_of(find_target("rpi4")), threads=threads)
    for layer in dict.fromkeys([*resnet50(), *plain50(), *resnet18()]):
        (kernel,) = build_kernels(layer, constants_of(layer), choose_default(layer, machine), machine)
        assert balance(kernel.function, threads) >= 0.9, kernel.name


def test_the_balance_of_work_that_is_dealt_out_unevenly_is_found():
    case = case_of(conv(20, 44, 3, 1), PointwiseTile(3, 2, 3, 1), AVX2, 2)
    assert balance(case.function, 2) == 0.75
