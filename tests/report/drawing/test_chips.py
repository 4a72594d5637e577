"""Chips: a colour for each role, kept shortcuts dashed, a stripe where an add is a fork too."""

from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import inspect
from rdpass.report.drawing.chips import CHIPS_LIMIT, NAME_LETTERS, Chips, chip_width, chips_width, name_of
from rdpass.report.drawing.labels import times
from rdpass.report.drawing.rows import Row
from tests.inspected import SVG
from tests.models import (
    PreActivation,
    seeded,
)


def classes(drawn):
    """How often each role colours a chip, by the tooltips' last lines."""
    root = ElementTree.fromstring(drawn)
    chips = [group for group in root.iter(f"{SVG}g") if group.get("class") in ("fork", "body", "shortcut", "add")]
    return {(group.get("class"), group.find(f"{SVG}title").text.splitlines()[0]) for group in chips}


def test_a_drawing_colours_fork_body_shortcut_and_add_of_every_region(inspected):
    found, drawn = inspected
    coloured = classes(drawn)
    names = {name for _, name in coloured}
    for region in found.regions:
        assert ("add", region.add) in coloured
        assert {name for name in (region.fork, *region.shortcut)} & names
        assert any(name in names for name in region.body)
    if not found.regions:
        assert not coloured


def test_a_kept_shortcut_is_drawn_dashed_and_a_fork_that_is_an_add_too_has_a_stripe(tmp_path):
    blocks = nn.Sequential(nn.Conv2d(4, 4, 1), PreActivation(4), PreActivation(4))
    inspect(seeded(lambda: blocks), torch.randn(1, 4, 8, 8), skip=("add_1",), svg=tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert "(kept)" in drawn
    assert "add of add, and a fork" in drawn


def row_of(*layers):
    traced = trace(nn.Sequential(*layers).eval(), torch.randn(1, 3, 8, 8))
    nodes = tuple(node for node in traced.module.graph.nodes if node.op == "call_module")
    return traced.module, Row("b", nodes, 0, 0, None, None, False)


def test_a_row_has_a_chip_for_each_node_and_the_last_ones_shape():
    module, row = row_of(nn.Conv2d(3, 16, 3), nn.ReLU())
    drawn = ElementTree.fromstring(Chips(module, {}, 100.0, 120.0, 400.0).draw(row, 50.0))
    assert [group.get("class") for group in drawn.iter("g") if group.get("class")] == ["other", "other"]
    words = [text.text for text in drawn.iter("text")]
    assert words == ["0", f"{times((3, 3))} 16", "relu", times((16, 6, 6))]
    widths = [float(box.get("width")) for box in drawn.iter("rect")]
    assert widths == pytest.approx([chip_width(module, node) for node in row.nodes], abs=0.05)


def test_more_chips_than_there_is_room_for_are_cut_off():
    module, row = row_of(nn.Conv2d(3, 4, 1), *(nn.ReLU() for _ in range(40)))
    drawn = Chips(module, {}, 100.0, 120.0, 600.0).draw(row, 50.0)
    assert "…" in drawn
    assert chips_width(module, row) == CHIPS_LIMIT + 12
    assert max(float(box.get("x")) for box in ElementTree.fromstring(drawn).iter("rect")) < 120 + CHIPS_LIMIT


def test_of_a_long_name_the_end_is_kept():
    _, row = row_of(nn.Conv2d(3, 4, 1))
    row.nodes[0].meta["nn_module_stack"] = {"m": ("a" * 50 + ".last", nn.Conv2d)}
    assert len(name_of(row)) == NAME_LETTERS
    assert name_of(row).startswith("…a")
    assert name_of(row).endswith(".last")
