"""The form that networks are deployed in: fewer kinds of node, the same numbers."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from tests.models import conv_bn, seeded
from tests.passes.graph.kinds import kinds
from tests.support import error_between


class Checked(nn.Module):
    def forward(self, x):
        torch._assert(x.dim() == 4, "a batch of images")
        return x + 0


def test_checks_pads_identities_and_batch_norms_are_gone_and_every_stage_has_its_gate():
    layers = (
        Checked(),
        nn.ZeroPad2d(1),
        nn.Conv2d(3, 4, 3),
        nn.Identity(),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        *conv_bn(4, 4),
    )
    model = seeded(lambda: nn.Sequential(*layers))
    deployed = run_passes(trace(model, torch.randn(1, 3, 8, 8)), DEPLOY_FORM)
    assert kinds(deployed.module) == ["placeholder", "conv", "activation", "conv", "output"]
    assert [gate.name for gate in deployed.gates[1:]] == ["drop_checks", "absorb_padding", "fold_batch_norm"]
    assert error_between(deployed.module, model, torch.randn(2, 3, 8, 8)) <= 1e-5


def test_a_network_in_that_form_stays_as_it_is():
    traced = run_passes(trace(seeded(lambda: conv_bn(3, 4)), torch.randn(1, 3, 8, 8)), DEPLOY_FORM)
    again = run_passes(traced, DEPLOY_FORM)
    assert str(again.module.graph) == str(traced.module.graph)
    assert all(gate.error == 0 for gate in again.gates[-3:])
