"""Which template a convolution of stride 2 gets, and what it costs in weights and scratch."""

from dataclasses import replace

import pytest

from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels, choose_default, label, rank_tiles
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.strided_winograd import STRIDED_WINOGRAD, StridedWinogradTile
from rdpass.kernels.workload import Epilogue
from rdpass.targets.lookup import find_target
from tests.kernels.networks import conv
from tests.kernels.numbers import constants_of

ALONE = replace(machine_of(find_target("rpi4")), threads=1)
EARLY, MIDDLE, LATE = conv(128, 128, 56, 3, 2), conv(256, 256, 28, 3, 2), conv(512, 512, 14, 3, 2)


def kernel_of(layer):
    (kernel,) = build_kernels(layer, constants_of(layer), choose_default(layer, ALONE), ALONE)
    return kernel


@pytest.mark.parametrize(("layer", "outputs"), [(EARLY, 4), (MIDDLE, 3), (LATE, 2)])
def test_tiles_shrink_as_maps_do_and_their_weights_grow(layer, outputs):
    tile = choose_default(layer, ALONE)
    assert isinstance(tile, StridedWinogradTile)
    assert tile.size == (outputs, outputs)
    weights, _ = kernel_of(layer).constants
    assert weights.size == layer.filters * layer.channels * (outputs + 2) ** 2


def test_where_memory_is_slow_weights_that_are_read_once_are_not_made_larger():
    slow = replace(ALONE, bandwidth=ALONE.bandwidth / 4)
    assert isinstance(choose_default(LATE, slow), DirectTile)


def test_scratch_beside_maps_that_make_a_networks_peak_is_small():
    maps = 4 * 128 * (56**2 + 28**2)
    assert 4 * int(kernel_of(EARLY).function.attrs[WORKSPACE]) < maps / 16


def test_a_map_added_behind_the_activation_does_not_lie_where_sums_meet():
    late = replace(MIDDLE, epilogue=Epilogue("relu", add=True, late=True))
    assert STRIDED_WINOGRAD.refusal(late, ALONE) is None
    over = late.in_place()
    assert "where the sums meet" in STRIDED_WINOGRAD.refusal(over, ALONE)
    assert isinstance(choose_default(over, ALONE), DirectTile)


@pytest.mark.parametrize(
    "change", [{"dilation": (2, 2)}, {"groups": 2}, {"stride": (2, 1)}, {"kernel": (3, 2)}, {"kernel": (5, 5)}]
)
def test_other_convolutions_have_no_tile_of_the_template(change):
    templates = {label(ranked.tile) for ranked in rank_tiles(replace(MIDDLE, **change), ALONE)}
    assert templates == {"direct"}
