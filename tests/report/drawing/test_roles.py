"""Roles of nodes in regions: inner ones before outer ones."""

import torch

from rdpass.core.plan import Region
from rdpass.inspection import inspect
from rdpass.report.drawing.roles import Part, parts_of
from tests.inspected import Several
from tests.models import (
    seeded,
)


def test_inner_regions_colour_their_nodes_before_outer_ones():
    found = inspect(seeded(Several), (torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)))
    inner = min(found.regions, key=lambda region: len(region.body))
    parts = parts_of(found.regions)
    assert {parts[name].add for name in inner.body} == {inner.add}


def region(add, fork, body, shortcut=(), verdict="removable"):
    return Region(add, fork, body, shortcut, "identity", (1, 4, 8, 8), 1024, "", verdict, "")


def test_an_add_that_is_the_next_blocks_fork_is_an_add_with_a_stripe():
    parts = parts_of((region("add", "x", ("a", "b")), region("add_1", "add", ("c",))))
    assert parts["add"] == Part("add", True, False, "add")
    assert parts["x"] == Part("fork", False, False, "add")
    assert parts["c"] == Part("body", False, False, "add_1")
    assert "elsewhere" not in parts


def test_a_projection_is_a_shortcut_and_one_that_stays_says_so():
    parts = parts_of((region("add", "x", ("a",), ("p", "n"), "kept"),))
    assert {name: (part.role, part.kept) for name, part in parts.items()} == {
        "x": ("fork", True), "a": ("body", True), "p": ("shortcut", True), "n": ("shortcut", True),
        "add": ("add", True),
    }  # fmt: skip


def test_no_region_gives_no_part():
    assert parts_of(()) == {}
