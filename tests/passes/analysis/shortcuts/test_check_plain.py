"""Strictly plain: one path, no norms, no adds."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import PassError
from rdpass.passes.analysis.shortcuts.check_plain import check_plain, find_not_plain
from rdpass.passes.distill.reparam_fold import fold_branches
from tests.models import PreActivation, SqueezeExcite, basic_block, classifier, seeded
from tests.passes.distill.fading import faded

EXAMPLE = torch.randn(1, 3, 9, 9)


def test_a_batch_norm_that_no_convolution_precedes_is_named_as_what_is_not_plain():
    _, fading = faded(seeded(lambda: classifier(PreActivation(8))), 2, 3, 8, 8)
    fading.set_faded(1.0)
    with pytest.raises(PassError, match="_1_bn1: batch_norm"):
        check_plain(fold_branches(fading.module))


class TwoReaders(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = self.a(x)
        return torch.cat([self.b(x), x], 1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), "_1: batch_norm"),
        (lambda: basic_block(3, 3), "body_0|x: it is read by 2|batch_norm"),
        (TwoReaders, "a: it is read by 2"),
        (lambda: SqueezeExcite(3), "x: it is read by 2"),
    ],
)
def test_what_is_not_plain_is_named(build, message):
    with pytest.raises(PassError, match=message):
        check_plain(trace(seeded(build), EXAMPLE).module)


def test_a_chain_is_plain_with_pads_views_and_dropout_in_it_and_sizes_beside_it():
    class Sized(nn.Module):
        def forward(self, x):
            return x.reshape(x.size(0), x.size(1), -1).mean(2)

    layers = (
        nn.ZeroPad2d(1),
        nn.Conv2d(3, 4, 3),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Sized(),
        nn.Linear(4, 2),
    )
    graph_module = trace(seeded(lambda: nn.Sequential(*layers)), EXAMPLE).module
    assert find_not_plain(graph_module) is None
    check_plain(graph_module)


def test_the_first_node_that_breaks_a_rule_is_the_one_found():
    graph_module = trace(seeded(lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU(), nn.Softmax(1))), EXAMPLE).module
    found = find_not_plain(graph_module)
    assert (found.add, found.reason) == ("_2", "an operation without a name here in a plain graph")
