"""Stems of a planar image: what is refused, blocks of rows, tiles of whole vectors, and the pool behind."""

from dataclasses import replace

import pytest

from rdpass.kernels.templates.stem import STEM, StemTile, block_heights, stem_name
from rdpass.kernels.workload import Convolution, Epilogue, Pooling, Stem
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

CONV = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("relu"))
POOL = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (Stem(replace(CONV, filters=9, groups=3)), "groups or subpixels"),
        (Stem(replace(CONV, subpixel=(2, 2))), "groups or subpixels"),
        (Stem(CONV, replace(POOL, kind="average")), "no max pool"),
        (Stem(replace(CONV, epilogue=Epilogue(add=True)), POOL), "of a sum of maps"),
    ],
)
def test_stems_of_groups_and_pools_of_other_kinds_are_refused(work, reason):
    assert reason in STEM.refusal(work, ARM)
    assert STEM.refusal(Stem(CONV, POOL), ARM) is None


@pytest.mark.parametrize(("threads", "heights"), [(1, [5]), (2, [3, 2, 1]), (4, [2, 1])])
def test_threads_share_the_rows_of_what_is_written(threads, heights):
    assert block_heights(Stem(CONV, POOL), machine_with(ASIMD, threads)) == heights


def test_pixels_are_whole_vectors_where_lanes_are_multiplied_by_element():
    tiles = list(STEM.tiles(Stem(CONV), machine_with(ASIMD)))
    assert {tile.pixels % 4 for tile in tiles} == {0}
    assert {tile.pooled for tile in tiles} == {4}
    assert {tile.pooled for tile in STEM.tiles(Stem(CONV, POOL), machine_with(ASIMD))} == {2, 4, 8}
    assert any(tile.pixels % 8 for tile in STEM.tiles(Stem(CONV), machine_with(AVX2)))


def test_the_default_has_two_vectors_where_channels_fill_them():
    assert STEM.default(Stem(replace(CONV, filters=64)), ARM).vectors == 2
    assert STEM.default(Stem(replace(CONV, filters=12)), ARM).vectors == 1
    assert STEM.default(Stem(CONV), machine_with(AVX2)).pixels == 6


def test_the_name_says_the_pool():
    assert "_pool3x3_k7x7_s2_3_10_19x27_8x2_asimd_" in stem_name("stem", Stem(CONV, POOL), (8, 2), ASIMD)
    assert "_pool" not in stem_name("stem", Stem(CONV), (8, 2), ASIMD)


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    ("change", "pool"),
    [
        ({}, POOL),
        ({"channels": 1, "padding": (0, 6, 6, 0)}, None),
        ({"channels": 4, "stride": (1, 3), "kernel": (3, 5), "padding": (1, 2, 1, 2)}, None),
        ({"batch": 2, "epilogue": Epilogue("none")}, replace(POOL, batch=2, stride=(1, 3), padding=(2, 0, 0, 2))),
        ({"dilation": (2, 1), "padding": (6, 3, 6, 3)}, None),
    ],
    ids=str,
)
def test_planes_borders_and_overlapping_windows_give_the_oracles_numbers(change, pool, isa):
    check(case_of(Stem(replace(CONV, **change), pool), StemTile(8, 2, 2, 3), isa, 2), TOLERANCE)
