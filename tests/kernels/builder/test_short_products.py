"""Register tiles of int16: they fit, and their weights lie in the order in which they are taken."""

import numpy as np
import pytest

from rdpass.kernels.builder.short_products import LaneProducts, PairProducts, pack_short_steps, short_products_of
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE

WEIGHTS = np.arange(2 * 20 * 18).reshape(2, 20, 18) % 999


@pytest.mark.parametrize(("isa", "way"), [(ASIMD, LaneProducts), (AVX2, PairProducts), (SSE, PairProducts)])
def test_a_way_to_multiply_is_found(isa, way):
    assert short_products_of(isa) is way


def test_lanes_take_the_outputs_of_a_channel_side_by_side():
    packed = pack_short_steps(WEIGHTS, 2, LaneProducts)
    assert packed.shape == (1, 2, 2, 512)
    channels = packed[0, 1, 0].reshape(16, 32)
    assert np.array_equal(channels[:, :20], WEIGHTS[1, :, :16].T)
    assert not channels[:, 20:].any()


def test_pairs_take_two_channels_of_every_output():
    packed = pack_short_steps(WEIGHTS, 1, PairProducts)
    assert packed.shape == (2, 2, 2, 256)
    twos = packed[1, 0, 1].reshape(8, 16, 2)
    assert np.array_equal(twos[0, :4], WEIGHTS[0, 16:, 16:18])
    assert not twos[1:].any()


@pytest.mark.parametrize(("isa", "most"), [(ASIMD, 5), (AVX2, 6), (SSE, 2), (AVX512, 15)])
def test_registers_hold_so_many_columns(isa, most):
    way = short_products_of(isa)
    assert way.fits(isa, most, 1)
    assert isa is AVX512 or not way.fits(isa, most + 1, 1)
