"""What the figures of a dense kernel rest on: its innermost loop multiplies, and keeps its sums in registers."""

import re

import pytest

from rdpass.kernels.templates.direct import DirectTile, direct
from rdpass.kernels.templates.pair import PairTile, pointwise_pair
from rdpass.kernels.templates.pointwise import PointwiseTile, pointwise
from rdpass.kernels.templates.stem import StemTile, stem
from rdpass.kernels.templates.stem_winograd import StemWinogradTile, stem_winograd
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile, strided_winograd
from rdpass.kernels.templates.winograd import WinogradTile, winograd
from rdpass.kernels.workload import PointwisePair, Stem
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.features import Feature
from rdpass.targets.isa import ASIMD
from rdpass.targets.lookup import find_target
from tests.kernels.assembly import assembly_of, hottest
from tests.kernels.networks import RELU6, conv, resnet_stem

BOARD = find_target("rpi4")
SCALABLE = re.compile(r"\bz\d+\.[bhsd]\b")
PAIR = PointwisePair(conv(64, 256, 56, 1), conv(256, 64, 56, 1))
NARROW = conv(64, 64, 56, 3)
KERNELS = {
    "direct": direct(NARROW, DirectTile(), ASIMD, 1, "kernel"),
    "direct strided": direct(conv(64, 128, 56, 3, 2), DirectTile(), ASIMD, 1, "kernel"),
    "direct threaded": direct(NARROW, DirectTile(), ASIMD, 4, "kernel"),
    "pointwise": pointwise(conv(64, 256, 56, 1), PointwiseTile(), ASIMD, 1, "kernel"),
    "pointwise strided": pointwise(conv(256, 512, 56, 1, 2), PointwiseTile(5, 4), ASIMD, 1, "kernel"),
    "pointwise of 20 sums": pointwise(conv(64, 80, 56, 1), PointwiseTile(5, 4), ASIMD, 1, "kernel"),
    "winograd 2": winograd(NARROW, WinogradTile(2, 8), ASIMD, 1, "kernel"),
    "winograd 4": winograd(NARROW, WinogradTile(4, 7), ASIMD, 1, "kernel"),
    "winograd 4x2": winograd(conv(512, 512, 7, 3), WinogradTile(4, 8, rows=2, wide=2), ASIMD, 1, "kernel"),
    "strided winograd 2": strided_winograd(
        conv(512, 512, 14, 3, 2), StridedWinogradTile(2, 5, 4, 4, 2), ASIMD, 1, "kernel"
    ),
    "strided winograd 3": strided_winograd(
        conv(256, 256, 28, 3, 2), StridedWinogradTile(3, 9, 2, 5, 2), ASIMD, 1, "kernel"
    ),
    "strided winograd 4": strided_winograd(
        conv(128, 128, 56, 3, 2), StridedWinogradTile(4, 9, 2, 2, 2, 2), ASIMD, 1, "kernel"
    ),
    "pair": pointwise_pair(PAIR, PairTile(), ASIMD, 1, "kernel"),
    "pair in chunks": pointwise_pair(PAIR, PairTile(chunks=2), ASIMD, 1, "kernel"),
    "stem 7x7": stem(resnet_stem(), StemTile(), ASIMD, 1, "kernel"),
    "stem 3x3": stem(Stem(conv(3, 32, 224, 3, 2, epilogue=RELU6)), StemTile(), ASIMD, 1, "kernel"),
}


@pytest.mark.parametrize("name", KERNELS)
def test_the_hot_loop_of_a_dense_kernel_multiplies_and_stores_no_sums(name):
    hot = hottest(assembly_of(KERNELS[name], BOARD, NAME))
    assert hot.products >= 16
    assert hot.stored_sums == set()
    assert hot.share >= 0.8, f"{hot.products} of {len(hot.instructions)}"


def test_the_hot_loop_of_a_stem_by_winograd_multiplies_though_it_stores_its_running_sums():
    kernel = stem_winograd(resnet_stem(), StemWinogradTile(rows=56), ASIMD, 1, "kernel")
    hot = hottest(assembly_of(kernel, BOARD, NAME))
    assert hot.products == 240
    assert hot.share >= 0.8, f"{hot.products} of {len(hot.instructions)}"


@pytest.mark.parametrize(("board", "uses"), [("rpi5", False), ("graviton3", True)])
def test_scalable_vectors_are_in_code_for_a_core_with_them_alone_and_not_in_its_hot_loop(board, uses):
    target = find_target(board)
    assembly = assembly_of(KERNELS["direct"], target, NAME)
    assert (SCALABLE.search(assembly) is not None) == uses == target.has(Feature.SVE)
    hot = hottest(assembly)
    assert hot.products >= 16
    assert not any(SCALABLE.search(line) for line in hot.instructions)
