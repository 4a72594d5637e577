"""The feature loss: margins, and a distance that asks nothing of what is negative enough."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.inspection import plan_of
from rdpass.recipes.feature_matching import FeatureMatching, last_batch_norm, margins_of, partial_l2
from tests.models import basic_block, classifier, seeded


def test_the_margin_is_the_mean_of_a_channels_negative_responses():
    norm = nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 5.0]))
    drawn = norm.bias + norm.weight * torch.randn(400_000, 3)
    sampled = torch.stack([column[column < 0].mean() for column in drawn.T[:2]])
    torch.testing.assert_close(margins_of(norm)[:2], sampled.detach(), rtol=0.02, atol=0.0)
    assert margins_of(norm)[2].item() == pytest.approx(-1.5)  # never negative to speak of: -3 |gamma|


def test_the_partial_distance_asks_nothing_where_both_sides_are_negative_enough():
    teacher = torch.tensor([[1.0, -1.0, -1.0, 2.0]])
    student = torch.tensor([[0.0, -3.0, 1.0, 2.0]])
    assert partial_l2(student, teacher).item() == 1.0 + 0.0 + 4.0 + 0.0
    assert partial_l2(student.repeat(5, 1), teacher.repeat(5, 1)).item() == 5.0


@pytest.mark.parametrize(("weight", "bias"), [(0.0, 0.0), (0.0, -2.0), (0.0, 3.0), (1e-30, -1e-3), (2.0, -80.0)])
def test_the_margin_of_a_channel_that_does_not_vary_is_its_negative_part(weight, bias):
    norm = nn.BatchNorm2d(1)
    nn.init.constant_(norm.weight, weight), nn.init.constant_(norm.bias, bias)
    (margin,) = margins_of(norm).tolist()
    assert margin == pytest.approx(min(bias, 0.0), abs=1e-6)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_equal_features_are_at_no_distance_without_the_transform(dims):
    matching = FeatureMatching(5, dims, None)
    x = torch.randn(4, 5, *[3] * dims)
    assert matching(x, x).item() == 0
    assert list(matching.parameters()) == []


def test_the_margin_lifts_what_is_asked_of_negative_responses():
    matching = FeatureMatching(2, 2, torch.tensor([-0.5, -1.0])).eval()
    teacher = torch.full((1, 2, 1, 1), -3.0)
    student = torch.zeros(1, 2, 1, 1)
    shifted = matching.transform(student).detach()
    assert matching(student, teacher).item() == pytest.approx(
        sum(max(float(s) - m, 0.0) ** 2 for s, m in zip(shifted.flatten(), (-0.5, -1.0), strict=True)), rel=1e-5
    )


def test_the_norm_before_an_add_is_the_bodys():
    traced = trace(seeded(lambda: classifier(basic_block(8, 8))), torch.randn(1, 3, 8, 8))
    (region,) = plan_of(traced).regions
    assert last_batch_norm(traced.module, region.body[-1]) is last_batch_norm(traced.module, region.add)


def test_features_without_a_norm_before_them_are_refused_with_the_remedy():
    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(1, 3, 8, 8))
    name = [node.name for node in traced.module.graph.nodes][-2]
    with pytest.raises(ConfigError, match=f"no batch norm right before {name} .*compare features without transform"):
        last_batch_norm(traced.module, name)
