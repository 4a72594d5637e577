"""The verdict in words: what is gained, and where nothing is."""

import torch
from torch import nn

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
