"""Networks for recipes to work on, and a short conversion."""

import torch
from torch import nn

import rdpass
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import (
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
)

EXAMPLE = torch.randn(1, 3, 8, 8)


TRAINED = ("migrate", "anneal", "joint", "kd", "plain")


def three_stages():
    return classifier(basic_block(4, 4), basic_block(4, 6, 2), basic_block(6, 8, 2), classes=4)


def hostile():
    """Bottlenecks plain, strided and grouped, a gated block and an inverted residual, after one another."""
    gate = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), SqueezeExcite(8))
    return classifier(
        bottleneck(8, 4), bottleneck(8, 4, groups=2, stride=2), Residual(gate, None, nn.ReLU()),
        inverted_residual(8, 12), classes=4,
    )  # fmt: skip


def converted(model, recipe, **settings):
    config = DistillConfig(epochs=1, **settings)
    return rdpass.convert(model, EXAMPLE, recipe=recipe, train=batches(3), config=config, show_progress=False)
