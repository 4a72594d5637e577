"""Which form a shortcut takes on its body's convolutions."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_plan import plan_reparam
from rdpass.passes.graph.layers import FadingAdd
from tests.models import (
    Residual,
    bottleneck,
    classifier,
    conv_bn,
    seeded,
)
from tests.passes.distill.fading import faded
from tests.support import error_between


class Opaque(nn.Module):
    """Two maps of one shape multiplied: no gate, and nothing to go round."""

    def __init__(self):
        super().__init__()
        self.a, self.b = conv_bn(8, 8), conv_bn(8, 8)

    def forward(self, x):
        return torch.relu(self.a(x) * self.b(x) + x)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (Opaque, "branches at"),
        (lambda: Residual(nn.Sequential(nn.Conv2d(8, 4, 1, groups=2), nn.ReLU(), nn.Conv2d(4, 8, 1))), "is grouped"),
        (lambda: Residual(nn.Sequential(nn.Conv2d(8, 4, 1), nn.InstanceNorm2d(4), nn.Conv2d(4, 8, 1))), "other_norm"),
    ],
)  # fmt: skip
def test_where_nothing_fits_the_shortcut_still_fades_and_says_why(build, reason):
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 1), build(), nn.Conv2d(8, 2, 1)))
    x = torch.randn(2, 3, 8, 8)
    traced = trace(model, x)
    regions = plan_of(traced, only=("*",)).removable
    (why,) = [plan_reparam(traced.module, region) for region in regions]
    assert isinstance(why, str)
    assert reason in why
    fading = fade_shortcuts(traced.module, regions)
    assert sum(isinstance(part, FadingAdd) for part in fading.module.modules()) == 1
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


def test_without_streams_a_bottleneck_has_an_identity_on_its_middle_alone():
    _, fading = faded(seeded(lambda: classifier(bottleneck(8, 4))), 1, 3, 8, 8, stream=False)
    assert list(fading.branches.values()) == [1]
