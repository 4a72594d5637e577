"""Bars of live bytes: what is held, in proportion."""

from xml.etree import ElementTree

import pytest
import torch

from rdpass.inspection import inspect
from rdpass.report.drawing.curve import HELD, LIVE
from tests.inspected import SVG, bottlenecks


def test_bars_say_what_is_held_and_their_lengths_are_in_proportion(tmp_path):
    model = bottlenecks()
    found = inspect(model, torch.randn(1, 3, 8, 8), svg=tmp_path / "net.svg")
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    bars = [group for group in root.iter(f"{SVG}g") if group.get("class") == "live"]
    lengths, amounts = [], []
    for bar in bars:
        boxes = bar.findall(f"{SVG}rect")
        assert boxes[0].get("fill") == LIVE
        lengths.append(sum(float(box.get("width")) for box in boxes))
        amounts.append(bar.find(f"{SVG}title").text)
    held = [bar for bar in bars if any(box.get("fill") == HELD for box in bar.findall(f"{SVG}rect"))]
    assert len(held) == sum(block.held_kernels for block in found.forecast.blocks) == 3
    wide = 8 * 64 * 4
    assert max(lengths) / min(lengths) == pytest.approx(
        found.forecast.model.fused.peak_bytes / (wide + wide / 4), rel=0.02
    )
