"""What needs all channels that it reads keeps them, and says what it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.passes.prune.find_channels import find_channels
from tests.models import Applied
from tests.passes.prune.nets import IMAGE, Headed, traced


class Computed(nn.Module):
    """A convolution whose weights depend on the image."""

    def forward(self, x):
        return F.conv2d(x, x[:, :, :1, :1].expand(8, -1, 1, 1))


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, 8, 8, 8))

    def forward(self, x):
        return x + self.table


STAYING = {
    "it computes with sizes, and would with others": Applied(lambda x: x / x.shape[1]),
    "it normalises over channels": nn.GroupNorm(2, 8),
    "it reduces over channels": Applied(lambda x: x * x.mean(1, keepdim=True)),
    "it mixes channels with other axes": nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(2)),
    "it takes or moves channels by their numbers": Applied(lambda x: x.flip(1)),
    "it takes channels by their numbers": Applied(lambda x: x[:, [0, 2, 4, 6]].repeat(1, 2, 1, 1)),
    "its weights are computed": Computed(),
    "numbers of more than one axis": Positions(),
    "it stacks maps": Applied(lambda x: torch.stack([x, x]).sum(0)),
    "softmax needs all channels": Applied(lambda x: x.softmax(1)),
    "it changes how many channels there are": Applied(lambda x: F.pad(x, (0, 0, 0, 0, 1, 1))[:, 1:9]),
    "it joins maps along several axes": Applied(lambda x: torch.cat([x, x.transpose(1, 2)], 1)[:, 4:12]),
    "its sizes are written into the code": Applied(lambda x: x.unflatten(1, (8, 1)).flatten(1, 2)),
}


@pytest.mark.parametrize("reason", STAYING)
def test_what_needs_every_channel_keeps_them(reason):
    found = find_channels(traced(Headed(STAYING[reason])).module, (IMAGE,))
    stem = next(layer for layer in found.layers if layer.path == "stem")
    assert {*stem.writes} <= {*found.fixed}
    assert reason in {found.fixed[unit].reason for unit in stem.writes}


PASSING = {
    "activations": Applied(lambda x: F.silu(F.relu(x)).abs().sqrt()),
    "pools": nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Upsample(scale_factor=2)),
    "one number": Applied(lambda x: 2 * x - 1),
    "a map of one channel": nn.Sequential(Applied(lambda x: x * torch.ones(1, 1, 8, 8))),
    "a border": Applied(lambda x: F.pad(x, (1, 1, 1, 1), value=3.0)),
    "a position": Applied(lambda x: x[:, :, ::2, 1:]),
    "axes in another order": Applied(lambda x: x.permute(0, 2, 3, 1).reshape(1, -1, 8).transpose(1, 2)[..., None]),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_acts_on_every_channel_alone_lets_them_leave(name):
    found = find_channels(traced(Headed(PASSING[name])).module, (IMAGE,))
    stem = next(layer for layer in found.layers if layer.path == "stem")
    assert not {*stem.writes} & {*found.fixed}
    assert len({*stem.writes}) == 8


def test_of_many_groups_whole_ones_leave_and_of_few_the_same_channels_of_each():
    for groups, units in ((8, 8), (2, 4), (1, 8)):
        found = find_channels(traced(Headed(nn.Conv2d(8, 8, 3, groups=groups))).module, (IMAGE,))
        stem, grouped = found.layers[:2]
        assert (len({*stem.writes}), len({*grouped.writes})) == (units, units)
        assert ({*stem.writes} == {*grouped.writes}) == (groups == 8)
