"""A drawing as a whole: every kernel with its tooltip, its width whatever the depth, names that are markup."""

import re
from xml.etree import ElementTree

import torch
from torch import nn

from rdpass.inspection import inspect
from tests.inspected import SVG
from tests.models import (
    Residual,
    conv_bn,
    seeded,
)


def test_a_drawing_is_well_formed_and_shows_every_kernel_with_a_tooltip(inspected):
    found, drawn = inspected
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert float(root.get("width")) > 400
    bars = [group for group in root.iter(f"{SVG}g") if group.get("class") == "live"]
    assert len(bars) == found.forecast.model.fused.kernels
    for bar in bars:
        assert "live while" in bar.find(f"{SVG}title").text
    numbers = re.findall(r'(?:x|y|width|height)="([^"]*)"', drawn)
    assert numbers
    assert not [number for number in numbers if "nan" in number or "inf" in number]


def test_a_thousand_nodes_are_drawn_with_as_many_lanes_as_maps_overlap(tmp_path):
    blocks = [Residual(nn.Sequential(*conv_bn(2, 2, 1), nn.ReLU(), *conv_bn(2, 2, 1))) for _ in range(170)]
    found = inspect(seeded(lambda: nn.Sequential(nn.Conv2d(3, 2, 1), *blocks)), torch.randn(1, 3, 2, 2),
                    svg=tmp_path / "deep.svg")  # fmt: skip
    assert len(found.regions) == 170
    root = ElementTree.parse(tmp_path / "deep.svg").getroot()
    assert float(root.get("width")) < 1500
