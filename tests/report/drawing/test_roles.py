"""Roles of nodes in regions: inner ones before outer ones."""

import torch

from rdpass.inspection import inspect
from rdpass.report.drawing.roles import parts_of
from tests.inspected import Several
from tests.models import (
    seeded,
)


def test_inner_regions_colour_their_nodes_before_outer_ones():
    found = inspect(seeded(Several), (torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)))
    inner = min(found.regions, key=lambda region: len(region.body))
    parts = parts_of(found.regions)
    assert {parts[name].add for name in inner.body} == {inner.add}
