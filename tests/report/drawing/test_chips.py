"""Chips: a colour for each role, kept shortcuts dashed, a stripe where an add is a fork too."""

from xml.etree import ElementTree

import torch
from torch import nn

from rdpass.inspection import inspect
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
