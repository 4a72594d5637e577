"""Blocks of the families that the exact recipes know, by name, with the channels that they give; and what they refuse.

All take four channels, from a stem that ends in a ReLU.
"""

from __future__ import annotations

import torch
from torch import nn

from tests.models import (
    DenseConcat,
    LayerScale,
    PaddedChannels,
    PartialSum,
    PreActivation,
    Residual,
    Scaled,
    SqueezeExcite,
    conv_bn,
)


def body(*layers):
    return Residual(nn.Sequential(*layers))


def resnet_d(kernel=3, **pool):
    """A strided block whose shortcut averages before it projects."""
    strided = nn.Conv2d(4, 4, kernel, 2, (kernel - 1) // 2)
    inner = nn.Sequential(*conv_bn(4, 4, 1), nn.ReLU(), strided, nn.ReLU(), *conv_bn(4, 6, 1))
    return Residual(inner, nn.Sequential(nn.AvgPool2d(2, 2, **pool), *conv_bn(4, 6, 1)), nn.ReLU())


def iresnet_block(channels):
    """bn, conv, bn, prelu, conv, bn, and no activation after the add: what is carried has either sign."""
    return body(
        nn.BatchNorm2d(channels), *conv_bn(channels, channels), nn.PReLU(channels), *conv_bn(channels, channels)
    )


def two(last_option=None, between=nn.ReLU, last=()):
    second = conv_bn(4, 4, **(last_option or {}))
    return body(conv_bn(4, 4), between(), second, *last)


def strided(out, shortcut):
    return Residual(nn.Sequential(*conv_bn(4, 5, 3, 2), nn.ReLU(), *conv_bn(5, out)), shortcut, nn.ReLU())


def mobile(activation, *gate):
    return body(*conv_bn(4, 8, 1), activation(), *conv_bn(8, 8, groups=8), activation(), *gate, *conv_bn(8, 4, 1))


COVERED = {
    "pre-activation": (lambda: PreActivation(4), 4),
    "relu first": (lambda: body(nn.ReLU(), *conv_bn(4, 4), nn.ReLU(), *conv_bn(4, 4)), 4),
    "iresnet": (lambda: iresnet_block(4), 4),
    "silu": (lambda: mobile(nn.SiLU), 4),
    "hard-swish": (lambda: two(between=nn.Hardswish), 4),
    "prelu": (lambda: mobile(lambda: nn.PReLU(8)), 4),
    "gelu last": (lambda: two(between=nn.GELU, last=[nn.GELU()]), 4),
    "darknet": (lambda: two(between=lambda: nn.LeakyReLU(0.1), last=[nn.LeakyReLU(0.1)]), 4),
    "se last": (lambda: two(last=[SqueezeExcite(4)]), 4),
    "se inside": (lambda: mobile(nn.Hardswish, SqueezeExcite(8, nn.Hardsigmoid)), 4),
    "se with a batch norm": (lambda: mobile(nn.ReLU6, SqueezeExcite(8, norm=True)), 4),
    "grouped last": (lambda: two({"groups": 2}), 4),
    "depthwise twice": (lambda: body(conv_bn(4, 4, groups=4), nn.ReLU(), conv_bn(4, 4, groups=4)), 4),
    "lone batch norm": (lambda: body(conv_bn(4, 4), nn.ReLU(), nn.BatchNorm2d(4), conv_bn(4, 4)), 4),
    "layer scale": (lambda: two(last=[LayerScale(4)]), 4),
    "scaled shortcut": (lambda: Residual(conv_bn(4, 4), Scaled(-0.5), nn.ReLU()), 4),
    "resnet-d": (resnet_d, 6),
    "resnet-d, ceil": (lambda: resnet_d(ceil_mode=True, count_include_pad=False), 6),
    "resnet-d, even kernel": (lambda: resnet_d(kernel=4), 6),
    "resnet-d, narrow kernel": (lambda: resnet_d(kernel=1), 6),
    "option A": (lambda: strided(7, PaddedChannels(1, 7, 2)), 7),
    "3x3 shortcut": (lambda: strided(6, conv_bn(4, 6, 3, 2)), 6),
    "partial": (lambda: PartialSum(7), 7),
    "asymmetric": (lambda: body(conv_bn(4, 4), nn.ReLU(), nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(4, 4, 2)), 4),
    "same, even kernel": (lambda: body(nn.Conv2d(4, 5, 4, padding="same"), nn.ReLU(), nn.Conv2d(5, 4, 3, 1, 1)), 4),
    "same, strided, as TensorFlow pads": (
        lambda: Residual(
            nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 5, 3, 2), nn.ReLU(), nn.Conv2d(5, 6, 3, 1, 1)),
            nn.Conv2d(4, 6, 1, 2),
        ),
        6,
    ),
    "causal in one axis": (
        lambda: body(
            nn.ZeroPad2d((1, 1, 4, 0)),
            nn.Conv2d(4, 4, 3, dilation=(2, 1), groups=2),
            nn.ReLU6(),
            nn.ZeroPad2d((0, 0, 2, 0)),
            nn.Conv2d(4, 4, (3, 1)),
        ),
        4,
    ),
    "reflecting": (lambda: body(nn.Conv2d(4, 4, 3, 1, 1, padding_mode="reflect"), nn.ReLU(), nn.Conv2d(4, 4, 1)), 4),
}

# What stays: the block, the size of its input, the channels it gives, a part of the reason.
REFUSED = {
    "pool inside": (lambda: two(between=lambda: nn.MaxPool2d(3, 1, 1)), 8, 4, "a pooling in"),
    "group norm": (lambda: body(conv_bn(4, 4), nn.GroupNorm(2, 4), nn.ReLU(), conv_bn(4, 4)), 8, 4, "GroupNorm"),
    "concatenation": (lambda: body(conv_bn(4, 4), nn.ReLU(), DenseConcat(4)), 8, 4, "branches"),
    "reflecting pad": (
        lambda: body(conv_bn(4, 4), nn.ReLU(), nn.ReflectionPad2d((1, 0, 1, 0)), nn.Conv2d(4, 4, 2)), 8, 4,
        "can't pass",
    ),
    "tanh gate": (lambda: two(last=[SqueezeExcite(4, nn.Tanh)]), 8, 4, "the gate's"),
    "cut window": (lambda: resnet_d(ceil_mode=True, count_include_pad=False), 7, 6, "cut off at the border"),
    "max pool": (lambda: Residual(conv_bn(4, 4, 3, 2), nn.MaxPool2d(2)), 8, 4, "not linear"),
    "crop": (lambda: body(nn.Conv2d(4, 4, 3, 1, 2), nn.ReLU(), nn.Conv2d(4, 4, 3)), 8, 4, "become"),
}  # fmt: skip


def near_identity(model):
    """The model with batch norms that neither switch a channel off nor magnify one, as most of trained ones don't."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return model
