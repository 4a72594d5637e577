import pytest
import torch
from torch import nn

from rdpass.training.memory_layout import training_layout


@pytest.mark.parametrize("channels", [3, 4, 7, 15, 16, 20])
def test_a_strided_pointwise_layer_has_the_right_gradient_in_its_layout(channels):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 8, 1, 2, bias=False)
    images = torch.randn(16, channels, 8, 8)
    (wanted,) = torch.autograd.grad(conv.double()(images.double()).square().sum(), conv.weight)
    layout = training_layout(conv, "cpu")
    conv = conv.float().to(memory_format=layout)
    (got,) = torch.autograd.grad(conv(images.contiguous(memory_format=layout)).square().sum(), conv.weight)
    assert (got - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_only_few_channels_under_a_strided_pointwise_layer_forbid_channels_last_and_only_on_cpus():
    narrow = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1, 2))
    assert training_layout(narrow, "cpu") is torch.contiguous_format
    assert training_layout(narrow, "cuda") is torch.channels_last
    grouped = nn.Conv2d(32, 32, 1, 2, groups=4)
    assert training_layout(grouped, "cpu") is torch.contiguous_format
    for safe in (nn.Conv2d(3, 8, 3, 2), nn.Conv2d(3, 8, 1), nn.Conv2d(16, 8, 1, 2)):
        assert training_layout(safe, "cpu") is torch.channels_last
