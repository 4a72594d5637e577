"""Means and dense layers: either alone or both, tiles that registers hold, weights as they are read, the numbers."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.head import HEAD, HeadTile
from rdpass.kernels.workload import Head
from rdpass.targets.isa import ASIMD, AVX2, SSE
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

WORK = Head(2, 10, 21, 37)


@pytest.mark.parametrize("isa", [ASIMD, AVX2, SSE], ids=lambda isa: isa.name)
@pytest.mark.parametrize("batch", [1, 5])
def test_tiles_fit_the_registers_and_no_group_is_wider_than_the_classes(isa, batch):
    work = replace(WORK, batch=batch)
    tiles = list(HEAD.tiles(work, machine_with(isa)))
    assert tiles
    for tile in tiles:
        inputs = tile.images if isa.by_element else 1
        assert tile.images * tile.vectors + inputs + tile.vectors <= isa.registers
        assert tile.images <= batch
        assert (tile.vectors - 1) * isa.lanes(work.types.input) < work.classes


def test_one_image_has_wider_groups_of_classes_where_there_are_registers_for_them():
    assert HEAD.default(replace(WORK, batch=1), machine_with(ASIMD)).vectors == 8
    assert HEAD.default(replace(WORK, batch=1), machine_with(AVX2)).vectors == 4
    assert HEAD.default(replace(WORK, batch=9), machine_with(ASIMD)) == HeadTile(4, 4)


@pytest.mark.parametrize(
    ("work", "shapes"),
    [
        (Head(1, 10, 21, 0), []),
        (Head(1, 10, 21, 37), [(5, 3, 4, 8), (1, 40)]),
        (Head(1, 10, 21, 37, averages=False), [(5, 63, 4, 8), (1, 40)]),
    ],
    ids=str,
)
def test_weights_are_those_of_what_is_read(work, shapes):
    (kernel,) = build_kernels(work, constants_of(work), HeadTile(1, 2), ARM)
    assert [array.shape for array in kernel.constants] == shapes


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    "work",
    [
        Head(1, 1, 2, 0), Head(3, 17, 13, 0), Head(1, 5, 1, 1), Head(5, 10, 1, 70), Head(2, 9, 7, 3, averages=False),
        Head(2, 33, 49, 41),
    ],
    ids=str,
)  # fmt: skip
def test_a_few_classes_odd_channels_and_many_images_give_the_oracles_numbers(work, isa):
    check(case_of(work, HeadTile(3, 2, 4), isa, 2), TOLERANCE)
