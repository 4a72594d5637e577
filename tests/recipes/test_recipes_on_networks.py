"""A ResNet-56 and EfficientNet-Lite0 through every recipe that applies, from Python and from the command line.

A step or two each: what is tested is that a real network's every shortcut goes, exactly at both ends, not accuracy.
"""

import json

import pytest
import torch

import rdpass
from benchmarks.efficientnet_lite0.model import pretrained
from benchmarks.every_recipe import NAMES, compare, few_photographs
from benchmarks.research.small_resnets import small_resnet
from rdpass.capture.programs import load_program
from rdpass.capture.trace import trace
from rdpass.cli.app import run
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.training.config import DistillConfig
from tests.support import Untouched

RECIPES = ("migrate", "anneal", "joint", "kd", "plain")
REASONS = {"merge": 27, "keep": 1, "prune": 1}
"""Recipes that leave the shortcuts of a ResNet-56, and how many different reasons they give."""


def bottleneck_net():
    torch.manual_seed(0)
    return small_resnet("bottleneck", 2).eval()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", NAMES)
def test_a_resnet56_goes_through_every_recipe_alike_from_python_and_from_the_command_line(recipe):
    row = compare("resnet56", recipe)
    went = "kept" if recipe in REASONS else "carried" if recipe == "carry" else "distilled"
    assert row[went] == 27
    assert row["same_outcomes"]
    assert row["same_weights"]
    assert row["worst_gate"] <= 1
    assert row["plain"] == (recipe not in REASONS)
    assert len(row["why"]) == REASONS.get(recipe, 0)
    assert row["took"] == ("migrate" if recipe == "auto" else recipe)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_efficientnet_loses_every_shortcut_by_every_trained_recipe(recipe):
    model, (train, _) = pretrained(), few_photographs()
    before = Untouched(model)
    example = train[0][0][:1]
    result = rdpass.convert(
        model, example, recipe=recipe, train=train, config=DistillConfig(epochs=1, lr=1e-3), show_progress=False
    )
    assert [outcome.how for outcome in result.outcomes] == ["distilled"] * 9
    assert take_census(trace(result.student, example)) == ((), ())
    check_plain(result.student)
    before.check()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["migrate", "joint"])
def test_the_command_line_takes_every_recipe_and_its_settings(recipe, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["convert", "tests.recipes.test_recipes_on_networks:bottleneck_net", "--recipe", recipe, "--epochs", "1"]
    command += ["--data", "benchmarks.every_recipe:few_pictures", "--set", "train.student.keep_projections=true"]
    command += ["--set", "train.paths.mixed=true", "--set", "train.paths.features=1e-4", "-o", str(out), "--json"]
    assert run(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["recipe"] == recipe
    assert [outcome["how"] for outcome in said["outcomes"]].count("kept") == 2
    record = json.loads((out / "conversion.json").read_text())
    assert record["config"]["train"]["paths"]["features"] == 1e-4
    assert record["config"]["train"]["lr"] == (0.04 if recipe == "migrate" else 0.1)  # the recipe's own
    student, example = load_program(out / "student.pt2")
    assert student(*example).shape == (1, 10)
