"""Bars of live bytes: what is held, in proportion."""

from xml.etree import ElementTree

import pytest
import torch
from torch.fx import Graph, Node

from rdpass.inspection import inspect
from rdpass.report.drawing.curve import HELD, LIVE, Curve
from rdpass.report.drawing.rows import Row
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


def rows(*live):
    node = Node(Graph(), "kernel", "call_function", torch.relu, (), {})
    return [Row(f"b{i}", (node,), each, 0, None if i == 1 else each // 2, None, True) for i, each in enumerate(live)]


def test_the_grid_has_four_to_eight_round_steps_and_the_peak_is_named():
    for largest, step in ((7, 1), (900, 200), (8_000, 1000), (123_456, 20_000), (9_000_000, 2_000_000)):
        end, found = Curve(rows(largest // 3, largest), 0.0, 0.0)._scale
        assert found == step
        assert 4 <= end // step <= 8
        assert largest <= end < largest + step
    drawn = Curve(rows(1000, 250_000, 30), 10.0, 20.0).draw()
    assert "peak 0.25 MB" in drawn


def test_a_line_has_a_gap_where_the_plain_network_has_no_such_layer():
    drawn = ElementTree.fromstring(Curve(rows(1000, 2000, 3000), 0.0, 0.0).draw())
    (line,) = [path.get("d") for path in drawn.iter("path")]
    assert line.count("M") == 2


def test_of_nothing_there_is_a_grid_and_no_peak():
    for empty in ([], rows(0)):
        drawn = Curve(empty, 0.0, 0.0).draw()
        ElementTree.fromstring(drawn)
        assert "peak" not in drawn
