"""Batch norms fold into the layer right before them, and stay where they do not fold."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from tests.models import PreActivation, SharedLayer, conv_bn, seeded
from tests.passes.graph.kinds import kinds
from tests.support import Untouched, error_between


def test_batch_norms_fold_into_convolutions_and_linear_layers():
    net = lambda: nn.Sequential(conv_bn(3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5))  # noqa: E731
    model = seeded(net)
    traced = trace(model, torch.randn(2, 3, 4, 4))
    before = Untouched(traced.module)
    folded = fold_batch_norm(traced.module)
    before.check()
    assert "batch_norm" not in kinds(folded)
    assert error_between(folded, model, torch.randn(3, 3, 4, 4)) <= 1e-6


def test_a_shared_layer_folds_at_each_of_its_places():
    model = seeded(SharedLayer)
    folded = fold_batch_norm(trace(model, torch.randn(1, 4, 7, 7)).module)
    assert "batch_norm" not in kinds(folded)
    assert error_between(folded, model, torch.randn(2, 4, 7, 7)) <= 1e-6


def test_a_batch_norm_before_a_padded_convolution_and_one_that_is_read_twice_stay():
    model = seeded(lambda: PreActivation(4))
    folded = fold_batch_norm(trace(model, torch.randn(1, 4, 7, 7)).module)
    assert kinds(folded).count("batch_norm") == 1
    assert error_between(folded, model, torch.randn(2, 4, 7, 7)) <= 1e-6
