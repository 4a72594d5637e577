"""The model that a command works on: its weights, and the word where they are random."""

import torch
from torch import nn

from rdpass.cli.app import run
from rdpass.cli.named_model import load_named_model
from rdpass.sources.models import load_model
from tests.models import small_resnet_of_four


def test_the_command_converts_the_weights_it_was_given_and_says_when_they_are_random(tmp_path, capsys):
    torch.manual_seed(5)
    model, _ = load_model("torchvision:resnet18(num_classes=3)")
    torch.save(model.state_dict(), tmp_path / "w.pth")
    spec = "torchvision:resnet18(num_classes=3)"
    options = ["--input", "1x3x32x32", "--recipe", "carry", "--max-macs", "9", "--force", "-o"]
    assert run(["convert", spec, "--weights", str(tmp_path / "w.pth"), *options, str(tmp_path / "run")]) == 0
    assert "random weights" not in capsys.readouterr().err
    student, _ = load_model(str(tmp_path / "run" / "student.pt2"))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(student.eval()(x), model.eval()(x), rtol=1e-3, atol=1e-4)
    assert run(["export", spec, "--input", "1x3x32x32", "-o", str(tmp_path / "net.onnx")]) == 0
    assert "has random weights; give trained ones with --weights" in capsys.readouterr().err
    assert run(["export", str(tmp_path / "run"), "--weights", "w.pth", "-o", str(tmp_path / "no.onnx")]) == 2


def test_a_model_of_ones_own_has_the_weights_that_it_was_built_with(capsys):
    model, example = load_named_model("tests.cli.given:resnet", None)
    assert isinstance(model, nn.Module)
    assert example is None
    assert capsys.readouterr().err == ""


def test_weights_for_a_model_of_ones_own_are_loaded(tmp_path, capsys):
    given = {name: value + 1 for name, value in small_resnet_of_four().state_dict().items()}
    torch.save(given, tmp_path / "w.pth")
    model, _ = load_named_model("tests.cli.given:resnet", tmp_path / "w.pth")
    assert all(torch.equal(value, given[name]) for name, value in model.state_dict().items())
    assert capsys.readouterr().err == ""
