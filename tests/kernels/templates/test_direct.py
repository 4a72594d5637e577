"""Any window: what other templates compute is refused, groups are merged, splits fill threads, subpixels are placed."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.templates.direct import DIRECT, DirectTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

CONV = Convolution(1, 12, 18, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kernel": (1, 1), "padding": (0, 0, 0, 0)}, "is a matrix product"),
        ({"filters": 12, "groups": 12}, "leaves nothing to sum over"),
        ({"groups": 2, "subpixel": (2, 2)}, "groups and subpixels at once"),
    ],
)
def test_what_another_template_computes_better_or_none_does_is_refused(change, reason):
    assert reason in DIRECT.refusal(replace(CONV, **change), ARM)
    assert DIRECT.refusal(CONV, ARM) is None


def test_a_padded_1x1_window_and_one_of_subpixels_are_its():
    point = replace(CONV, kernel=(1, 1))
    assert DIRECT.refusal(point, ARM) is None
    assert DIRECT.refusal(replace(point, padding=(0, 0, 0, 0), subpixel=(2, 2)), ARM) is None


def test_every_tile_cuts_groups_and_rows_into_whole_parts():
    for work in (CONV, replace(CONV, groups=6), replace(CONV, filters=70, height=3)):
        for tile in DIRECT.tiles(work, ARM):
            outer = -(-(work.filters // work.groups) // ARM.isa.lanes(work.types.input))
            assert -(-outer // tile.vectors) % tile.splits == 0
            assert 1 <= tile.rows <= work.out_height


def test_a_map_of_one_row_is_split_among_threads_by_its_channels():
    row = Convolution(1, 32, 128, 1, 16, (1, 3), padding=(0, 1, 0, 1))
    assert choose_default(row, machine_with(ASIMD, 4)).splits % 4 == 0
    assert choose_default(row, machine_with(ASIMD, 1)).splits == 1


def test_weights_lie_by_merged_group():
    conv = replace(CONV, channels=16, filters=16, groups=8)
    (kernel,) = build_kernels(conv, constants_of(conv), DirectTile(6, 1), ARM)
    weights, table = kernel.constants
    assert weights.shape[0] == 4  # pairs of groups of two channels fill a block of four
    assert weights.size == 16 * 4 * 9
    assert table.shape == (1, 16)


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    "change",
    [
        {"kernel": (5, 2), "padding": (4, 1, 0, 0), "dilation": (1, 3)},
        {"stride": (3, 2), "kernel": (2, 3)},
        {"groups": 6, "epilogue": Epilogue("channel_clip", add=True, in_place=True)},
        {"subpixel": (3, 2), "filters": 5, "epilogue": Epilogue("silu")},
        {"height": 1, "width": 1, "batch": 2},
    ],
    ids=str,
)
def test_odd_windows_groups_and_subpixels_give_the_oracles_numbers(change, isa):
    check(case_of(replace(CONV, **change), DirectTile(4, 2, 2), isa, 2), TOLERANCE)
