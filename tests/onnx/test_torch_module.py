"""An .onnx file as MODEL."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import ConfigError, ParityError
from rdpass.core.input_size import parse_sizes
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.torch_module import load_onnx
from tests.models import seeded, small_resnet
from tests.support import error_between


def network():
    """A residual network with two equal biases, which exporters write once."""
    model = seeded(small_resnet)
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions[:2]:
        layer.bias = nn.Parameter(torch.full((layer.out_channels,), 0.25))
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["torch.export", "TorchScript"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    torch.onnx.export(network(), (torch.randn(1, 3, 9, 9),), path, dynamo=request.param, verbose=False)
    return path


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ConfigError, match="is not a valid ONNX model"):
        load_onnx(tmp_path / "text.onnx")
    with pytest.raises(ConfigError, match="there is no such file"):
        load_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("opset", [18, 20])
def test_later_operators_are_read(tmp_path, opset):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU(), nn.Mish()).eval()
    torch.onnx.export(
        model, (torch.randn(1, 3, 5, 5),), tmp_path / "gelu.onnx", dynamo=True, verbose=False, opset_version=opset
    )
    module, example = load_onnx(tmp_path / "gelu.onnx")
    assert error_between(module, model, *example) <= 1e-5


def test_what_is_read_wrongly_is_no_model(file, monkeypatch):
    def other(model, inputs):
        return [array + 1 for array in run_onnx(model, inputs)]

    monkeypatch.setattr("rdpass.onnx.torch_module.run_onnx", other)
    with pytest.raises(ParityError, match="onnx-torch"):
        load_onnx(file)


def test_sizes_left_open_are_those_given_or_usual_and_said_so(tmp_path, caplog):
    path = tmp_path / "open.onnx"
    torch.onnx.export(
        network(), (torch.randn(1, 3, 9, 9),), path, dynamo=False, verbose=False, input_names=["image"],
        dynamic_axes={"image": {0: "n", 2: "h", 3: "w"}},
    )  # fmt: skip
    assert tuple(load_onnx(path, parse_sizes("2x3x11x9"))[1][0].shape) == (2, 3, 11, 9)
    assert not caplog.records
    assert tuple(load_onnx(path)[1][0].shape) == (1, 3, 224, 224)
    assert "'image' is taken as 1x3x224x224; set it with --input" in caplog.text


def test_halves_are_read_as_float32(tmp_path, caplog):
    path = tmp_path / "half.onnx"
    torch.onnx.export(network().half(), (torch.randn(1, 3, 9, 9).half(),), path, dynamo=False, verbose=False)
    module, example = load_onnx(path)
    assert {tensor.dtype for tensor in (*module.parameters(), *example)} == {torch.float32}
    assert "float16: computed in float32" in caplog.text
    assert error_between(module, network(), *example) <= 1e-2


def test_the_shortcuts_of_an_onnx_network_are_found_and_its_numbers_are_the_models(file):
    module, example = load_onnx(file)
    assert [tuple(x.shape) for x in example] == [(1, 3, 9, 9)]
    assert error_between(module, network(), *example) <= 1e-5
    plan = rdpass.inspect(module, example)
    assert [region.kind for region in plan.regions] == ["identity", "projection", "identity"]


def rdpass_of_its_own(*arguments):
    """The command in a fresh process, where nothing has prepared torchvision's import."""
    command = [sys.executable, "-m", "rdpass", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_inspects_and_converts_an_onnx_file_in_a_process_of_its_own(file, tmp_path):
    inspected = rdpass_of_its_own("inspect", file, "--json")
    assert inspected.returncode == 0, inspected.stderr
    assert [region["kind"] for region in json.loads(inspected.stdout)["regions"]] == [
        "identity",
        "projection",
        "identity",
    ]
    converted = rdpass_of_its_own("convert", file, "--max-macs", "9", "-o", tmp_path / "run")
    assert converted.returncode == 0, converted.stderr
    student = rdpass_of_its_own("inspect", tmp_path / "run" / "student.pt2", "--quick", "--json")
    assert json.loads(student.stdout)["adds"] == 0


def test_an_architecture_of_torchvision_is_inspected_in_a_process_of_its_own():
    prepare_torchvision()
    pytest.importorskip("torchvision", reason="the zoo is an extra")
    done = rdpass_of_its_own("inspect", "torchvision:resnet18", "--input", "1x3x64x64", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["regions"]) == 8
