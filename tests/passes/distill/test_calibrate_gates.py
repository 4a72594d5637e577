"""Gates see on average what they saw in the teacher."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from rdpass.passes.distill.calibrate_gates import calibrate_gates
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.graph.layers import ShiftedBias
from tests.models import (
    Residual,
    classifier,
    conv_bn,
    seeded,
)
from tests.passes.distill.fading import faded, gated
from tests.support import error_between


def readings(fading, x, faded):
    """The mean of what each gate's first layer gives, its shift included, with norms that see the batch."""
    module = copy.deepcopy(fading.module)
    replace(fading, module=module).set_faded(faded)
    seen = {}
    for name, part in module.named_modules():
        part.train(faded > 0 and isinstance(part, nn.BatchNorm2d))
        if isinstance(part, ShiftedBias):
            part.register_forward_hook(lambda part, given, out, name=name: seen.update({name: out.mean(0).flatten()}))
    with torch.no_grad():
        module(x)
    return seen


@pytest.mark.parametrize("at", ["middle", "end"])
def test_a_gate_sees_on_average_what_it_saw_also_when_the_shortcut_has_moved_in(at):
    model = seeded(lambda: classifier(*(gated(8, 4, at) for _ in range(4))))
    x = torch.randn(32, 3, 8, 8)
    _, fading = faded(model, 2, 3, 8, 8)
    wanted, astray = readings(fading, x, 0.0), readings(fading, x, 1.0)
    before = {name: value.clone() for name, value in fading.module.state_dict().items()}
    calibrate_gates(fading, (x,))
    restored = readings(fading, x, 1.0)
    assert len(wanted) == 4
    for name, mean in wanted.items():
        assert (astray[name] - mean).norm() > 0.02 * mean.norm()
        assert (restored[name] - mean).norm() < 1e-4 * mean.norm()
    changed = {name for name, value in fading.module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{name}.bias" for name in wanted}
    assert error_between(fading.module, model, x) <= 1e-6
    fading.set_faded(1.0)
    assert error_between(fold_branches(fading.module), fading.module, x) <= 1e-5


class OneKernelForAllChannels(nn.Module):
    """ECA: a convolution along the channels, whose one bias is no channel's own; the gate is expanded by hand."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x):
        n, c, _, _ = x.size()
        gate = torch.sigmoid(self.conv(x.mean((2, 3)).unsqueeze(1)))
        return x * gate.reshape(n, c, 1, 1).expand_as(x)


def test_a_gate_without_a_number_per_channel_has_no_shift():
    body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), OneKernelForAllChannels())
    model = seeded(lambda: classifier(Residual(body)))
    _, fading = faded(model, 2, 3, 8, 8)
    assert list(fading.branches.values()) == [2]
    assert fading.shifts == {"add": ()}
