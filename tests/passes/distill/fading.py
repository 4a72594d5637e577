"""Graphs whose shortcuts can fade, and what training might make of them."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.passes.graph.layers import GainedIdentity, ShiftedBias, StreamBranch
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    small_resnet,
)


def faded(model, *shape, **options):
    """The traced model, and its graph with every shortcut ready to fade, branches started from random images."""
    example = torch.randn(shape).to(next(model.parameters()))
    traced = trace(model, example)
    regions = plan_of(traced).removable
    planned = [plan_reparam(traced.module, region, **options) for region in regions]
    reparams = [each for each in planned if isinstance(each, Reparam)]
    images = [(torch.randn(16, *shape[1:]).to(example),) for _ in range(2)]
    return traced, fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, images))


def perturb(fading):
    """Every branch as far from its start as training might bring it."""
    for part in fading.modules():
        if isinstance(part, GainedIdentity):
            nn.init.uniform_(part.gain, -1, 1)
        elif isinstance(part, StreamBranch):
            nn.init.normal_(part.flat_weight, std=0.3)
            nn.init.normal_(part.bias, std=0.3)
        elif isinstance(part, ShiftedBias):
            nn.init.normal_(part.bias)


def gated(channels, width, at):
    """A bottleneck with squeeze-and-excitation before or after its last convolution."""
    body = [*conv_bn(channels, width, 1), nn.ReLU(), *conv_bn(width, width), nn.ReLU()]
    body += [SqueezeExcite(width)] if at == "middle" else []
    body += conv_bn(width, channels, 1)
    return Residual(nn.Sequential(*body, *([SqueezeExcite(channels)] if at == "end" else [])), None, nn.ReLU())


PLAIN = [
    (small_resnet, (2, 3, 9, 7), [2, 2, 2]),
    (lambda: classifier(bottleneck(8, 4)), (2, 3, 8, 8), [3]),
    (lambda: classifier(bottleneck(8, 4, groups=2)), (2, 3, 8, 8), [3]),
    (lambda: classifier(inverted_residual(8, 12)), (2, 3, 8, 8), [3]),
    (lambda: classifier(inverted_residual(8, 6, kernel=5)), (2, 3, 7, 9), [3]),
    (lambda: classifier(bottleneck(4, 4, out=8, stride=2)), (2, 3, 9, 7), [3]),
    (lambda: classifier(bottleneck(4, 4, out=8, stride=2), bottleneck(8, 3)), (2, 3, 8, 8), [3, 3]),
    (lambda: classifier(basic_block(4, 4, after=False), basic_block(4, 8, after=False)), (2, 3, 8, 8), [2, 2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.Dropout(0.5), nn.ReLU(), *conv_bn(8, 8)))),
     (2, 3, 8, 8), [2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(8, 8), nn.PReLU(8), *conv_bn(8, 8)))), (2, 3, 8, 8), [2]),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 1), PreActivation(8), PreActivation(8), nn.ReLU()), (2, 3, 8, 8), [2, 2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(4, 3), nn.ReLU(), *conv_bn(3, 8)),
                                 nn.Sequential(nn.AvgPool2d(1), *conv_bn(4, 8, 1)))), (2, 3, 8, 8), [2]),
    (lambda: classifier(Residual(nn.Sequential(*conv_bn(4, 4, stride=2), nn.ReLU(), *conv_bn(4, 8)),
                                 nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), *conv_bn(4, 8, 1)))),
     (2, 3, 9, 7), [2]),
]  # fmt: skip
