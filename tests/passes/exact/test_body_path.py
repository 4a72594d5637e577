"""The steps that a carried shortcut has to pass, or what it can't pass, by name."""

import pytest
from torch import nn

from rdpass.passes.exact.body_path import body_path
from rdpass.passes.exact.partial_sum import sum_of
from rdpass.passes.graph.linear.linear_map import NotExact
from tests.models import LayerScale, PreActivation, Residual, Scaled, SqueezeExcite, conv_bn
from tests.passes.exact.exact_cases import REFUSED, body, two
from tests.passes.exact.regions import traced_block


def steps_of(block):
    traced, region = traced_block(block)
    return body_path(traced.module, region, sum_of(traced.module, region).body)


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        (two(), "conv affine activation conv affine"),
        (PreActivation(4), "affine activation conv affine activation conv"),
        (two(last=[LayerScale(4)]), "conv affine activation conv affine affine"),
        (two(last=[Scaled(0.5), nn.Dropout(0.5)]), "conv affine activation conv affine affine pass"),
        (two(last=[SqueezeExcite(4)]), "conv affine activation conv affine gate"),
    ],
)
def test_a_body_is_a_row_of_steps_each_computed_from_the_one_before(block, kinds):
    steps = steps_of(block)
    assert " ".join(step.kind for step in steps) == kinds
    assert [step.source for step in steps[1:]] == [step.node for step in steps[:-1]]


def test_a_gate_is_one_step_with_the_nodes_that_it_is_made_of():
    gate = steps_of(two(last=[SqueezeExcite(4)]))[-1]
    assert gate.node.name == "mul"
    assert [node.name for node in gate.gate] == ["mean", "_2_body_3_down", "relu", "_2_body_3_up", "_2_body_3_gate"]


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.first(x).relu()
        return self.a(y) + self.b(y).relu()


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (REFUSED["pool inside"][0](), "a pooling in the body"),
        (body(nn.ConvTranspose2d(4, 4, 1), *conv_bn(4, 4)), "a transposed convolution"),
        (Residual(Forked()), "the body branches at"),
        (REFUSED["concatenation"][0](), "branches at"),
    ],
)
def test_what_no_carried_channel_can_pass_is_named(block, reason):
    with pytest.raises(NotExact, match=reason):
        steps_of(block)
