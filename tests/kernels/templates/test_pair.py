"""A pair as one kernel: what is refused, when chunks are legal, what the wide map takes, and the numbers."""

from dataclasses import replace

import pytest

from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.pair import PAIR, PairTile
from rdpass.kernels.workload import Convolution, Epilogue, PointwisePair
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

FIRST = Convolution(1, 16, 64, 7, 8, (1, 1), epilogue=Epilogue("relu"))
SECOND = replace(FIRST, channels=64, filters=32)
WORK = PointwisePair(FIRST, SECOND)


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (replace(WORK, first=replace(FIRST, stride=(2, 2))), "not two 1x1 windows of stride 1"),
        (replace(WORK, second=replace(SECOND, kernel=(3, 3), padding=(1, 1, 1, 1))), "not two 1x1 windows"),
        (replace(WORK, second=replace(SECOND, groups=2)), "not two 1x1 windows"),
        (replace(WORK, first=replace(FIRST, epilogue=Epilogue("relu", add=True))), "a map is added between both"),
    ],
)
def test_pairs_that_need_more_than_a_block_of_pixels_are_refused(work, reason):
    assert reason in PAIR.refusal(work, ARM)
    assert PAIR.refusal(WORK, ARM) is None


def test_the_wide_map_is_cut_only_where_sums_may_wait_in_the_output():
    over = replace(WORK, second=replace(SECOND, epilogue=Epilogue(add=True, in_place=True)))
    odd = replace(WORK, second=replace(SECOND, filters=20))
    assert {tile.chunks for tile in PAIR.tiles(WORK, ARM)} == {1, 2, 4, 8}
    assert {tile.chunks for tile in PAIR.tiles(over, ARM)} == {1}
    assert all(tile.chunks == 1 or 5 % tile.vectors == 0 for tile in PAIR.tiles(odd, ARM))


def test_threads_share_a_block_where_there_are_fewer_blocks_than_threads():
    alone = list(PAIR.tiles(WORK, machine_with(ASIMD, 1)))
    assert not any(tile.groups_parallel for tile in alone)
    for tile in PAIR.tiles(WORK, machine_with(ASIMD, 4)):
        assert tile.groups_parallel == (-(-56 // tile.block) < 4)


def test_scratch_is_the_wide_map_of_a_block_and_less_in_chunks():
    room = {}
    for chunks in (1, 4):
        tile = PairTile(8, 2, 16, chunks)
        (kernel,) = build_kernels(WORK, constants_of(WORK), tile, machine_with(ASIMD))
        room[chunks] = int(kernel.function.attrs[WORKSPACE])
    assert room[1] == 64 * 16
    assert room[4] == room[1] // 4


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    ("first", "second", "tile"),
    [
        ({"filters": 26, "channels": 5}, {"channels": 26, "filters": 9}, PairTile(6, 3, 20)),
        ({}, {}, PairTile(8, 2, 24, 4)),
        ({}, {"epilogue": Epilogue("prelu", add=True, in_place=True)}, PairTile(5, 1, 11, groups_parallel=True)),
        ({"height": 1, "width": 1, "epilogue": Epilogue("channel_clip")}, {"height": 1, "width": 1}, PairTile(1, 2)),
    ],
    ids=str,
)
def test_odd_channels_chunks_and_shared_blocks_give_the_oracles_numbers(first, second, tile, isa):
    work = PointwisePair(replace(FIRST, **first), replace(SECOND, **second))
    check(case_of(work, tile, isa, 2), TOLERANCE)
