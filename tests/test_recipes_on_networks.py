"""A ResNet-56 and EfficientNet-Lite0 through every recipe that applies, from Python and from the command line.

A step or two each: what is tested is that a real network's every shortcut goes, exactly at both ends, not accuracy.
"""

import json

import pytest
import torch

import rdpass
from benchmarks.efficientnet_lite0.model import pretrained
from benchmarks.small_resnets import small_pictures, small_resnet
from rdpass.cli.app import run
from rdpass.config import DistillConfig
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.check_plain import check_plain
from rdpass.programs import load_program
from rdpass.tracing import trace
from tests.support import Untouched

RECIPES = ("migrate", "anneal", "joint", "kd", "plain")


def resnet56():
    torch.manual_seed(0)
    return small_resnet("basic", 9).eval()


def bottleneck_net():
    torch.manual_seed(0)
    return small_resnet("bottleneck", 2).eval()


def few_pictures():
    train, held = small_pictures("basic", 0)
    train.images, train.labels = train.images[:128], train.labels[:128]
    return train, held[:1]


def few_photographs():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(4, 3, 64, 64, generator=generator), torch.randint(0, 1000, (4,), generator=generator))]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("build", "data", "shape", "shortcuts"),
    [(resnet56, lambda: few_pictures()[0], (1, 1, 14, 14), 27), (pretrained, few_photographs, (1, 3, 64, 64), 9)],
    ids=["resnet56", "efficientnet_lite0"],
)
def test_a_network_loses_every_shortcut_by_every_trained_recipe(recipe, build, data, shape, shortcuts):
    model = build()
    before = Untouched(model)
    config = DistillConfig(epochs=1, lr=1e-3)
    result = rdpass.convert(model, torch.randn(shape), recipe=recipe, train=data(), config=config, show_progress=False)
    assert [outcome.how for outcome in result.outcomes] == ["distilled"] * shortcuts
    assert take_census(trace(result.student, torch.randn(shape))) == ((), ())
    check_plain(result.student)
    before.check()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["migrate", "joint"])
def test_the_command_line_takes_every_recipe_and_its_settings(recipe, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["convert", "tests.test_recipes_on_networks:bottleneck_net", "--recipe", recipe, "--epochs", "1"]
    command += ["--data", "tests.test_recipes_on_networks:few_pictures", "--set", "train.student.keep_projections=true"]
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
