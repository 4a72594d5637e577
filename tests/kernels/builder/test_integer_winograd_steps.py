"""How tiles of bytes are cut: slices of channels whose sums are exact, and room for all that waits."""

from dataclasses import replace

import pytest

from rdpass.kernels.builder.integer_winograd_steps import Tiling
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.integers import bytes_of

CONV = Convolution(1, 64, 40, 10, 22, (3, 3), (1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("channels", "isa", "slices", "each"),
    [
        (64, ASIMD, 1, 4),
        (224, ASIMD, 1, 14),
        (240, ASIMD, 2, 8),
        (512, ASIMD, 3, 11),
        (112, AVX2, 1, 7),
        (128, AVX2, 2, 4),
    ],
)
def test_channels_are_cut_so_that_no_sum_is_too_large(channels, isa, slices, each):
    tiling = Tiling(replace(CONV, channels=channels, types=bytes_of(isa)), isa, 1, 4, 1)
    assert (tiling.slices, tiling.slice) == (slices, each)
    assert slices * each >= tiling.inner


def test_tiles_cover_the_map_and_columns_the_tiles():
    tiling = Tiling(replace(CONV, types=bytes_of(ASIMD)), ASIMD, 2, 5, 2)
    assert (tiling.across, tiling.held, tiling.columns) == (6, 12, 3)
    assert (tiling.outer, tiling.groups) == (3, 2)
