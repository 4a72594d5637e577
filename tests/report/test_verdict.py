"""The verdict in words: what is gained, and where nothing is."""

import torch
from torch import nn

from rdpass.core.plan import Cost, Memory
from rdpass.inspection import inspect
from rdpass.report.verdict import verdict
from tests.models import (
    basic_block,
    bottleneck,
    seeded,
)


def test_the_verdict_names_what_is_gained_and_where_nothing_is():
    nothing = inspect(nn.Sequential(nn.Conv2d(3, 4, 1), basic_block(4, 4)), torch.randn(1, 3, 8, 8)).forecast
    assert "gains nothing in peak memory: 2.0 kB with and without" in nothing.verdict
    assert "Where adds are kernels of their own it falls from 3.1 kB to 2.0 kB" in nothing.verdict
    wide = nn.Sequential(nn.Conv2d(1, 8, 1), bottleneck(8, 2), bottleneck(8, 2), nn.Conv2d(8, 2, 1))
    gain = inspect(seeded(lambda: wide), torch.randn(1, 1, 8, 8)).forecast
    assert "Tiled kernels, which the shortcuts forbid, bring the plain net to" in gain.verdict
    assert verdict(gain.model, gain.plain, 0) == "There is no shortcut to remove."
    kept = inspect(seeded(lambda: wide), torch.randn(1, 1, 8, 8), skip=("*",)).forecast
    assert kept.verdict == "There is no shortcut to remove: all 2 are kept."
    assert kept.plain == kept.model


def memory(peak, traffic=1_000_000):
    return Memory(1, traffic, peak, peak, 0, traffic, "optimal")


def cost(separate, fused, tiled, traffic=1_000_000):
    return Cost(0, 0, memory(separate), memory(fused), memory(tiled, traffic))


def test_a_gain_is_said_in_per_cent_with_both_amounts():
    said = verdict(
        cost(3_000_000, 2_000_000, 2_000_000, 4_000_000), cost(1_000_000, 1_000_000, 1_000_000, 3_000_000), 1
    )
    assert said == (
        "Removing the shortcut lowers peak memory by 50 %, from 2.00 MB to 1.00 MB."
        " Memory traffic falls by 25 %, from 4.00 MB to 3.00 MB."
    )


def test_less_than_a_hundredth_is_no_gain():
    said = verdict(cost(1000, 1000, 1000), cost(995, 995, 995), 3)
    assert said.startswith("Removing the 3 shortcuts gains nothing in peak memory: 1.0 kB with and without")
    assert "Where adds" not in said
    assert said.endswith("Memory traffic stays at 1.00 MB.")


def test_a_tile_that_helps_both_alike_is_said_to():
    said = verdict(cost(1000, 1000, 500), cost(1000, 1000, 500), 1)
    assert "Tiled kernels bring it to 0.5 kB with the shortcuts as without." in said


def test_a_network_of_nothing_divides_by_nothing():
    assert "gains nothing" in verdict(cost(0, 0, 0, 0), cost(0, 0, 0, 0), 1)
