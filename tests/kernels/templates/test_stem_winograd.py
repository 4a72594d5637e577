"""The stem by Winograd: which stems it is for, where it is a default, the size of its weights, and the numbers."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import STEM_WINOGRAD, StemWinogradTile, is_strided_stem
from rdpass.kernels.workload import Convolution, Epilogue, Pooling, Stem
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.networks import resnet_stem
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import WINOGRAD_TOLERANCE

CONV = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("relu"))
POOL = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))


@pytest.mark.parametrize(
    "change", [{"kernel": (6, 7)}, {"kernel": (9, 7)}, {"stride": (2, 1)}, {"dilation": (2, 2)}], ids=str
)
def test_other_windows_and_stems_without_a_pool_are_refused(change):
    assert "not a 7x7 or 8x8 window" in STEM_WINOGRAD.refusal(Stem(replace(CONV, **change), POOL), ARM)
    assert "with a pool behind it" in STEM_WINOGRAD.refusal(Stem(CONV), ARM)
    assert is_strided_stem(Stem(CONV, POOL))
    assert is_strided_stem(Stem(replace(CONV, kernel=(8, 7)), POOL))


def test_what_no_stem_computes_this_one_does_not_either():
    assert "no max pool" in STEM_WINOGRAD.refusal(Stem(CONV, replace(POOL, kind="average")), ARM)


def test_it_is_the_default_on_arm_alone():
    assert isinstance(choose_default(resnet_stem(), ARM), StemWinogradTile)
    assert STEM_WINOGRAD.default(resnet_stem(), machine_with(AVX2)) is None
    assert isinstance(choose_default(resnet_stem(), machine_with(AVX2)), StemTile)


def test_the_default_has_four_vectors_where_channels_fill_them():
    assert STEM_WINOGRAD.default(resnet_stem(), ARM) == StemWinogradTile(5, 4, 14)
    assert STEM_WINOGRAD.default(Stem(CONV, POOL), ARM).vectors == 2


def test_weights_are_36_numbers_of_four_stride_phases():
    work = Stem(CONV, POOL)
    (kernel,) = build_kernels(work, constants_of(work), StemWinogradTile(5, 2), ARM)
    assert [array.shape for array in kernel.constants] == [(2, 36, 3, 4, 8), (1, 16)]


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    ("change", "pool"),
    [
        ({}, {}),
        ({"kernel": (8, 7), "padding": (3, 0, 4, 6)}, {}),
        ({"channels": 1, "epilogue": Epilogue("none")}, {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0, 0, 0)}),
        ({"channels": 4, "batch": 2, "epilogue": Epilogue("prelu")}, {"batch": 2, "padding": (2, 1, 0, 2)}),
    ],
    ids=str,
)
def test_even_windows_few_planes_and_odd_pools_give_the_oracles_numbers(change, pool, isa):
    conv = replace(CONV, **change)
    pooling = replace(POOL, height=conv.out_height, width=conv.out_width, **pool)
    check(case_of(Stem(conv, pooling), StemWinogradTile(4, 2, 2, 3), isa, 2), WINOGRAD_TOLERANCE)
