"""An epilogue alone: tiles that fit the map, tables with and without a scale, and the numbers of every kind."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.elementwise import ELEMENTWISE, ElementwiseTile
from rdpass.kernels.workload import Elementwise, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of
from tests.kernels.examples import ARM
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

WORK = Elementwise(2, 10, 21, Epilogue("prelu", add=True))


@pytest.mark.parametrize(("pixels", "tiles"), [(1, [1]), (3, [2, 1]), (21, [8, 4, 2, 1])])
def test_tiles_are_no_larger_than_the_map_and_the_default_is_as_large_as_may_be(pixels, tiles):
    work = replace(WORK, pixels=pixels)
    assert [tile.pixels for tile in ELEMENTWISE.tiles(work, ARM)] == tiles
    assert ELEMENTWISE.default(work, ARM) == ElementwiseTile(min(8, pixels))


@pytest.mark.parametrize(
    ("change", "word", "rows"),
    [
        ({}, "prelu_add", 2),
        ({"epilogue": Epilogue("relu")}, "relu", 1),
        ({"epilogue": Epilogue("silu", add=True, late=True)}, "silu_late_add", 1),
        ({"epilogue": Epilogue("channel_clip"), "scale": "constant"}, "scale_channel_clip", 4),
        ({"epilogue": Epilogue("none"), "scale": "gate"}, "gate_none", 1),
    ],
)
def test_the_name_says_what_is_done_and_the_table_has_a_row_for_each_number(change, word, rows):
    work = replace(WORK, **change)
    (kernel,) = build_kernels(work, constants_of(work), ElementwiseTile(), ARM)
    assert f"_{word}_10x21_asimd_" in kernel.name
    (table,) = kernel.constants
    assert table.shape == (rows, 12)  # ten channels in blocks of four


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize("scale", ["none", "constant", "gate"])
@pytest.mark.parametrize("epilogue", [Epilogue("channel_clip"), Epilogue("hard_swish", add=True, in_place=True),
                                      Epilogue("sigmoid", add=True, late=True)], ids=str)  # fmt: skip
def test_a_scale_comes_before_the_epilogue(epilogue, scale, isa):
    check(case_of(Elementwise(2, 9, 13, epilogue, scale), ElementwiseTile(5), isa, 3), TOLERANCE)
