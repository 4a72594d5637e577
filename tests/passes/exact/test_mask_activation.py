"""Activations on a block's own channels that leave the carried ones alone."""

import pytest
import torch
from torch import nn
from torch.fx import Graph

from rdpass.passes.exact.mask_activation import masked_activation
from rdpass.passes.graph.layers import ChannelClamp, MaskedActivation
from rdpass.passes.graph.linear.linear_map import NotExact

X = torch.randn(2, 5, 4, 4) * 5
OWN, CARRIED = torch.tensor([0, 2, 3]), torch.tensor([1, 4])
ANY = (-float("inf"), float("inf"))
NODE = Graph().placeholder("activation")


def masked(module, carried=ANY):
    return masked_activation(NODE, module, OWN, 5, 2, carried, X)


def per_channel():
    layer = nn.PReLU(3)
    layer.weight.data = torch.tensor([0.1, 0.5, -1.0])
    return layer


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.ReLU(), ChannelClamp), (nn.ReLU6(), ChannelClamp), (nn.Hardtanh(-2, 3), ChannelClamp),
        (ChannelClamp(torch.tensor([0.0, -1.0, -torch.inf]), torch.tensor([1.0, 2.0, torch.inf]), 2), ChannelClamp),
        (nn.LeakyReLU(0.2), nn.PReLU), (nn.PReLU(), nn.PReLU), (per_channel(), nn.PReLU),
        (nn.SiLU(), MaskedActivation), (nn.GELU(), MaskedActivation), (nn.Hardswish(), MaskedActivation),
        (MaskedActivation(nn.Tanh(), torch.tensor([True, False, True]), 2), MaskedActivation),
    ],
)  # fmt: skip
def test_own_channels_are_activated_and_carried_ones_are_as_they_were(module, kind):
    found = masked(module)
    assert type(found) is kind
    got = found(X)
    assert torch.equal(got[:, CARRIED], X[:, CARRIED])
    assert torch.allclose(got[:, OWN], module(X[:, OWN]), atol=1e-6)


@pytest.mark.parametrize(
    ("module", "carried"),
    [
        (nn.ReLU(), (0.0, 5.0)), (nn.ReLU6(), (0.0, 6.0)), (nn.Hardtanh(-1, 1), (-0.5, 1.0)),
        (nn.LeakyReLU(0.1), (0.0, torch.inf)), (nn.PReLU(), (0.0, 1.0)),
    ],
)  # fmt: skip
def test_where_the_carried_values_pass_it_unchanged_the_activation_stays(module, carried):
    assert masked(module, carried) is None


def test_a_range_beyond_what_passes_or_numbers_per_channel_ask_for_another_module():
    assert isinstance(masked(nn.ReLU6(), (0.0, 7.0)), ChannelClamp)
    assert isinstance(masked(per_channel(), (0.0, 1.0)), nn.PReLU)


def test_what_mixes_channels_is_refused_by_name():
    for module in (nn.Softmax(1), None):
        with pytest.raises(NotExact, match="activation is not known"):
            masked(module)
