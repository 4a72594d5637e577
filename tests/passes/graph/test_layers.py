"""The layers that passes put into graphs compute what they say."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.passes.graph.layers import (
    ChannelClamp,
    DiracConvolution,
    FadingAdd,
    GainedIdentity,
    MaskedActivation,
    ShiftedBias,
    StreamBranch,
    UnevenConv1d,
    UnevenConv2d,
    sampled,
)

X = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0)) * 4


def test_a_clamp_has_bounds_of_its_own_on_every_channel():
    inf = torch.inf
    clamp = ChannelClamp(torch.tensor([0.0, -inf, 0.0]), torch.tensor([6.0, inf, inf]), 2)
    assert torch.equal(clamp(X), torch.stack([F.relu6(X[:, 0]), X[:, 1], X[:, 2].relu()], 1))


def test_a_masked_activation_leaves_the_other_channels_as_they_are():
    masked = MaskedActivation(nn.SiLU(), torch.tensor([True, False, True]), 2)
    assert torch.equal(masked(X)[:, 1], X[:, 1])
    assert torch.allclose(masked(X)[:, ::2], F.silu(X[:, ::2]))


@pytest.mark.parametrize(("stride", "size"), [((1, 1), (5, 4)), ((2, 2), (3, 2)), ((2, 1), (2, 3)), ((3, 2), (1, 2))])
def test_a_sampled_map_starts_at_the_first_position_and_is_as_large_as_it_is_to_be(stride, size):
    like = torch.zeros(2, 7, *size)
    found = sampled(X, stride, like)
    assert torch.equal(found, X[:, :, :: stride[0], :: stride[1]][:, :, : size[0], : size[1]])


def test_branches_do_nothing_at_strength_0_and_add_their_map_at_1():
    linear = torch.ones(2, 3, 3, 2)
    identity = GainedIdentity(torch.tensor([1.0, 2.0, -1.0]), (2, 2))
    stream = StreamBranch(torch.eye(3)[[1, 2, 0]], torch.tensor([1.0, 0.0, 0.0]), (2, 2))
    shift = ShiftedBias(torch.zeros(3))
    shift.bias.data = torch.tensor([0.5, 0.0, 0.0])
    assert all(torch.equal(branch(linear, X), linear) for branch in (identity, stream))
    assert torch.equal(shift(linear), linear)
    identity.strength = stream.strength = stream.bias_strength = shift.strength = 1.0
    read, gains = X[:, :, ::2, ::2], torch.tensor([1.0, 2.0, -1.0]).reshape(3, 1, 1)
    assert torch.allclose(identity(linear, X), linear + gains * read)
    assert torch.allclose(stream(linear, X), linear + read[:, [1, 2, 0]] + torch.eye(3)[0].reshape(3, 1, 1))
    assert torch.equal(shift(linear)[:, :, 0, 0], torch.tensor([[1.5, 1.0, 1.0]] * 2))


def test_a_faded_shortcut_still_gives_its_parameters_a_gradient():
    scale = nn.Parameter(torch.ones(1))
    add = FadingAdd()
    assert torch.equal(add(X, 2 * X), 3 * X)
    add.strength = 0.0
    result = add(X, scale * X)
    assert torch.equal(result, X)
    result.sum().backward()
    assert torch.equal(scale.grad, torch.zeros(1))


def test_a_dirac_convolution_runs_with_the_weight_that_it_tells():
    conv = nn.Conv2d(3, 3, 3, 2, 1)
    delta = torch.zeros_like(conv.weight)
    delta[range(3), range(3), 1, 1] = 1.0
    layer = DiracConvolution(conv, delta, 1.0, 0.1)
    assert torch.allclose(layer.weight, delta + 0.1 * conv.weight)
    assert torch.allclose(layer(X), F.conv2d(X, layer.weight, conv.bias, 2, 1))
    assert layer.alpha.shape == layer.beta.shape == (3, 1, 1, 1)


def test_an_uneven_convolution_pads_each_side_by_its_own():
    causal = UnevenConv1d(3, 2, 3, dilation=2)
    causal.before, causal.after = (4,), (0,)
    x = X[:, :, :, 0]
    assert torch.allclose(causal(x), F.conv1d(F.pad(x, (4, 0)), causal.weight, causal.bias, dilation=2))
    wide = UnevenConv2d(3, 2, 2, bias=False)
    wide.before, wide.after = (1, 0), (0, 1)
    assert torch.allclose(wide(X), F.conv2d(F.pad(X, (0, 1, 1, 0)), wide.weight))
