"""An .onnx file as MODEL: read into torch where the extra is installed, refused with the remedy where it is not."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import ConfigError
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


def test_without_the_reader_the_remedy_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(ConfigError, match=r"pip install 'rdpass\[onnx\]'"):
        load_onnx(file)


def test_a_torchvision_of_another_torch_is_named(file, monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "onnx2torch":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "onnx2torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ConfigError, match=r"nms does not exist.*install the torchvision built for this torch"):
        load_onnx(file)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    prepare_torchvision()
    pytest.importorskip("onnx2torch")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ConfigError, match="can't be read into torch"):
        load_onnx(tmp_path / "text.onnx")


def test_what_has_no_form_in_the_readers_opset_is_refused_by_its_name(tmp_path):
    prepare_torchvision()
    pytest.importorskip("onnx2torch")
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU()).eval()
    torch.onnx.export(model, (torch.randn(1, 3, 5, 5),), tmp_path / "gelu.onnx", dynamo=True, verbose=False)
    with pytest.raises(ConfigError, match="Gelu"):
        load_onnx(tmp_path / "gelu.onnx")


def test_the_shortcuts_of_an_onnx_network_are_found_and_its_numbers_are_the_models(file):
    prepare_torchvision()
    pytest.importorskip("onnx2torch")
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
    prepare_torchvision()
    pytest.importorskip("onnx2torch")
    inspected = rdpass_of_its_own("inspect", file, "--json")
    assert inspected.returncode == 0, inspected.stderr
    assert [region["kind"] for region in json.loads(inspected.stdout)["regions"]] == [
        "identity",
        "projection",
        "identity",
    ]
    converted = rdpass_of_its_own("convert", file, "--max-macs", "9", "-o", tmp_path / "run")
    assert converted.returncode == 0, converted.stderr
    student = rdpass_of_its_own("inspect", tmp_path / "run" / "student.pt2", "--json")
    assert json.loads(student.stdout)["adds"] == 0


def test_an_architecture_of_torchvision_is_inspected_in_a_process_of_its_own():
    prepare_torchvision()
    pytest.importorskip("torchvision", reason="the zoo is an extra")
    done = rdpass_of_its_own("inspect", "torchvision:resnet18", "--input", "1x3x64x64", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["regions"]) == 8
