"""An axis cut into tiles: every output once, and what lies outside the map known where it may be met."""

import numpy as np
import pytest

from rdpass.kernels.builder.borders import Axis, AxisTile, each_tile, tile_count
from rdpass.kernels.builder.emit import bind, serial
from rdpass.kernels.builder.function import load, store
from tests.kernels.builder.running import ran, unwritten

AXES = [Axis(11, 11, 1, 1, 3), Axis(11, 6, 2, 1, 3), Axis(8, 9, 1, 2, 4), Axis(5, 1, 3, 0, 5), Axis(30, 26, 1, 0, 5),
        Axis(3, 5, 1, 2, 3)]  # fmt: skip


@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("each", [0, 1, 3])
def test_sums_of_windows_are_those_of_a_padded_map_whatever_the_tiles(axis, width, each):
    """``each``: tiles of a part that is met as the code runs; all at once where 0."""
    x = np.random.default_rng(0).standard_normal(axis.extent).astype(np.float32)

    def write(source, out):
        def tile(part: AxisTile) -> None:
            for index in range(part.size):
                total = None
                for tap in range(axis.reach):
                    at = index * axis.stride + tap
                    if part.has(at):
                        value = load(source, part.input(at), lanes=1)
                        total = value if total is None else total + value
                store(out, total, part.first + index, lanes=1)

        if not each:
            each_tile(axis, width, tile)
            return
        with serial(-(-tile_count(axis, width) // each)) as part:
            begin = bind(part * each)
            each_tile(axis, width, tile, (begin, begin + each))

    got = ran(write, x, unwritten(axis.out))[1]
    behind = (axis.out - 1) * axis.stride + axis.reach - axis.before - axis.extent
    padded = np.pad(x.astype(np.float64), (axis.before, max(behind, 0)))
    wanted = [padded[i * axis.stride : i * axis.stride + axis.reach].sum() for i in range(axis.out)]
    assert np.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_an_output_is_inside_where_all_that_it_sees_is(axis):
    for first in range(axis.out):
        seen = [first * axis.stride - axis.before + tap for tap in range(axis.reach)]
        assert axis.is_inside(first, 1) == all(0 <= place < axis.extent for place in seen)
        assert not axis.is_inside(first, 2) or axis.is_inside(first, 1)


@pytest.mark.parametrize(
    ("axis", "covered"),
    [
        (Axis(4, 4, 1, 1, 3), True),
        (Axis(4, 8, 1, 3, 3), False),
        (Axis(2, 4, 2, 1, 2), False),
        (Axis(1, 1, 1, 1, 3), True),
    ],
)
def test_an_axis_is_covered_where_every_window_sees_some_of_the_map(axis, covered):
    windows = [
        range(i * axis.stride - axis.before, i * axis.stride - axis.before + axis.reach) for i in range(axis.out)
    ]
    assert all(any(0 <= place < axis.extent for place in window) for window in windows) == covered
    assert axis.is_covered == covered


def test_tiles_at_the_ends_are_known_as_they_are_written():
    tile = AxisTile(Axis(5, 5, 1, 1, 3), 0, 2, True)
    assert [tile.has(offset) for offset in range(5)] == [False, True, True, True, True]
    assert [tile.input(offset) for offset in range(3)] == [-1, 0, 1]
    assert all(AxisTile(Axis(5, 5, 1, 1, 3), 0, 2, False).has(offset) for offset in range(5))
