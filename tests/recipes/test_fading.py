"""Fading: the start is the teacher, and how long each shortcut takes."""

import pytest
from torch import nn

import rdpass.recipes.fading as fading_recipes
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.training.config import DistillConfig
from tests.models import (
    Residual,
    basic_block,
    bottleneck,
    classifier,
    seeded,
)
from tests.recipes.nets import EXAMPLE, converted, hostile


@pytest.mark.parametrize("recipe", ["migrate", "anneal"])
def test_what_fades_starts_numerically_as_its_teacher(recipe):
    gates = {gate.name: gate for gate in converted(seeded(hostile), recipe).gates}
    assert gates[f"{recipe}-start"].error <= 1e-6


@pytest.mark.parametrize(
    ("said", "many", "expected"),
    [(None, 1, [0.5, 0.5, 0.75, 0.75]), (None, 2, [0.5] * 4), (0.3, 1, [0.3] * 4)],
)
def test_many_shortcuts_that_are_partly_lost_take_longer_unless_something_is_said(said, many, expected, monkeypatch):
    monkeypatch.setattr(fading_recipes, "MANY", many)
    body = nn.Sequential(nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1, groups=2))
    nothing_fits = Residual(body, None, nn.ReLU())
    net = classifier(basic_block(4, 4), basic_block(4, 8, 2), bottleneck(8, 4), nothing_fits, classes=4).eval()
    traced = trace(net, EXAMPLE)
    regions = plan_of(traced).removable
    found = [plan_reparam(traced.module, region) for region in regions]
    reparams = [each for each in found if isinstance(each, Reparam)]
    assert [reparam.form for reparam in reparams] == ["identities", "identities", "stream"]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [(EXAMPLE,)], "stage"))
    assert list(fading_recipes.fades_of(DistillConfig(fade=said), fading, reparams).values()) == expected
