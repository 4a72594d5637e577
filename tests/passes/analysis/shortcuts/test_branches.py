"""The two branches of an add, or the reason why it has none."""

import operator

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.plan import Skipped
from rdpass.passes.analysis.shortcuts.branches import find_branches
from rdpass.passes.analysis.shortcuts.dominance import immediate_dominators
from rdpass.passes.analysis.shortcuts.resolution import resolutions
from tests.models import (
    PartialSum,
    PositionalEmbedding,
    Residual,
    TwoInputs,
    UNet,
    basic_block,
    conv_bn,
    seeded,
)


class Escaping(nn.Module):
    """A map inside the body is an output, too."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.first(x)
        return self.second(y) + x, y


class Shared(nn.Module):
    """What both operands read lies on both sides of the fork's only branch."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.conv(x)
        return (y * 2) + (y + x)


PADDED_AFTERWARDS = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ZeroPad2d((0, 1, 0, 1)))
"""Takes 14 positions to 6, which are padded to 7."""


def branches_of(model, *shapes, which=-1):
    traced = trace(seeded(lambda: model), tuple(torch.randn(shape) for shape in shapes))
    graph = traced.module.graph
    add = [node for node in graph.nodes if node.target is operator.add][which]
    return find_branches(traced.module, add, immediate_dominators(graph), resolutions(traced.module))


def names(nodes):
    return tuple(node.name for node in nodes)


def test_the_lighter_side_is_the_shortcut_whichever_operand_it_is():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.shortcut = nn.Sequential(*conv_bn(3, 4)), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.shortcut(x) + self.body(x)

    found = branches_of(Turned(), (1, 3, 8, 8))
    assert (found.fork.name, names(found.body), names(found.shortcut)) == ("x", ("body_0", "body_1"), ("shortcut",))
    assert (found.body_output.name, found.shortcut_output.name, found.partial) == ("body_1", "shortcut", False)


def test_an_identity_has_an_empty_shortcut_whose_output_is_the_fork():
    found = branches_of(basic_block(3, 3), (1, 3, 8, 8))
    assert (names(found.shortcut), found.shortcut_output) == ((), found.fork)


def test_a_sum_over_a_part_of_the_channels_is_partial_where_a_concatenation_completes_them():
    found = branches_of(nn.Sequential(nn.Conv2d(3, 4, 1), PartialSum(7)), (1, 3, 8, 8))
    assert found.partial
    assert found.body_output.name.startswith("getitem")


@pytest.mark.parametrize(
    ("model", "shapes", "reason"),
    [
        (PositionalEmbedding(), [(1, 3, 8, 8)], "one operand is a number"),
        (TwoInputs(), [(1, 3, 8, 8)] * 2, "come from different inputs"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), UNet()), [(1, 3, 8, 8)], "cross-scale"),
        (Residual(nn.Sequential(nn.Conv2d(3, 3, 2, 2), nn.Upsample(8))), [(1, 3, 8, 8)], "cross-scale"),
        (Residual(nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.ZeroPad2d(2))), [(1, 3, 7, 7)], None),
        (Residual(PADDED_AFTERWARDS, nn.Conv2d(3, 4, 1, 2)), [(1, 3, 14, 14)], None),
        (Residual(nn.Conv2d(3, 4, 1, 2), PADDED_AFTERWARDS), [(1, 3, 14, 14)], None),
        (Residual(nn.Sequential(nn.Conv1d(3, 3, 9), nn.ConstantPad1d((8, 0), 0.0))), [(1, 3, 12)], None),
        (Escaping(), [(1, 3, 8, 8)], "is also used by output"),
        (Residual(nn.Linear(3, 3)), [(2, 3)], "rank 2"),
        (Residual(nn.Conv2d(3, 1, 1)), [(1, 3, 8, 8)], "is broadcast from"),
        (Residual(nn.Identity(), nn.Identity()), [(1, 3, 8, 8)], None),
    ],
)
def test_the_first_rule_that_fails_is_the_reason(model, shapes, reason):
    found = branches_of(model, *shapes)
    assert isinstance(found, Skipped) == (reason is not None)
    if reason is not None:
        assert reason in found.reason


def test_a_node_on_both_sides_makes_it_no_pair_of_branches():
    found = branches_of(nn.Sequential(nn.Conv2d(3, 3, 1), Shared()), (1, 3, 8, 8))
    assert isinstance(found, Skipped)
    assert "_1_conv" in found.reason
