"""What is a buffer, and what is read of it."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.models import (
    TwoInputs,
    UNet,
)
from tests.passes.analysis.schedules import schedules


class Hostile(nn.Module):
    """Views, slices, a concat, padding, sizes, constants, a dead branch and three outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)
        self.position = nn.Parameter(torch.randn(1, 4, 8, 8))

    def forward(self, x, y):
        a = self.conv(F.pad(x, (1, 1, 1, 1)))
        first, second = a.chunk(2, 1)
        b = torch.cat([second, first], 1) + self.position.exp()
        c = self.other(b)
        self.other(b)  # leads nowhere
        flat = b.reshape(b.shape[0], -1)
        return c, flat, y


def test_views_constants_and_sizes_are_no_buffers_and_what_leads_nowhere_costs_nothing():
    found = schedules(Hostile(), torch.randn(1, 3, 8, 8), torch.randn(1, 5)).fused
    one = 4 * 64 * 4
    assert [step.bytes for step in found.steps] == [one, one, 2 * 36 * 4]
    assert [step.read_bytes for step in found.steps] == [3 * 64 * 4, one, one]  # padding moves no bytes, chunks all
    assert found.schedule.peak == max(3 * 64 * 4 + 20 + one, 2 * one + 20, one + 2 * 36 * 4 + 20)


def test_two_inputs_meet_and_a_decoder_keeps_its_skip_alive():
    two = schedules(TwoInputs(), torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)).fused
    assert two.schedule.peak == 3 * 3 * 64 * 4
    unet = schedules(nn.Sequential(nn.Conv2d(3, 3, 1), UNet()), torch.randn(1, 3, 8, 8)).fused
    assert unet.schedule.peak == 2 * 3 * 64 * 4
