"""A sum over a part of the channels is a whole sum with a padded shortcut."""

import pytest
import torch
from torch import nn

from rdpass.passes.exact.partial_sum import sum_of
from rdpass.passes.graph.linear.linear_map import NotExact
from tests.models import PartialSum, basic_block, conv_bn
from tests.passes.exact.regions import traced_block


class Swapped(nn.Module):
    """The parts are put together the other way round."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*conv_bn(4, 4))

    def forward(self, x):
        y = self.body(x)
        return torch.cat([y[:, 2:], y[:, :2] + x[:, :2]], 1)


def test_a_sum_over_all_channels_is_the_add_itself():
    traced, region = traced_block(basic_block(4, 4))
    whole = sum_of(traced.module, region)
    assert (whole.node.name, whole.widening) == (region.add, None)
    assert whole.body.name == region.body[-1]


def test_the_concatenation_is_the_sum_and_the_widening_adds_zero_channels():
    traced, region = traced_block(PartialSum(7))
    whole = sum_of(traced.module, region)
    assert whole.node.name == "cat"
    assert whole.body.name in region.body
    assert torch.equal(whole.widening.weight.flatten(1), torch.eye(7, 4, dtype=torch.float64))


def test_parts_that_are_not_put_together_as_they_were_are_refused():
    traced, region = traced_block(Swapped())
    with pytest.raises(NotExact, match="as they were"):
        sum_of(traced.module, region)
