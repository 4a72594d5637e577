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


def test_a_heading_of_any_length_wraps_and_lies_above_the_drawing(tmp_path):
    class Small(nn.Module):
        def forward(self, x, y, z, u, v, w):
            return (x + y + z + u + v + w).relu()

    Small.__name__ = "VeryLong" * 30
    inspect(Small(), [torch.randn(1, 3, 8, 8)] * 6, svg=tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    width = float(root.get("width"))
    heading = [text for text in root.iter(f"{SVG}text") if text.get("class") in ("title", "line")]
    assert len([text for text in heading if text.get("class") == "title"]) > 1
    letters = {"title": 11.5, "line": 6.6}
    assert all(float(text.get("x")) + letters[text.get("class")] * len(text.text) <= width for text in heading)
    assert "".join(text.text for text in heading if text.get("class") == "title") == Small.__name__
    below = min(float(text.get("y")) for text in root.iter(f"{SVG}text") if text.get("class") == "head")
    assert max(float(text.get("y")) for text in heading) < below
    assert [float(text.get("y")) for text in heading] == sorted({float(text.get("y")) for text in heading})
