"""Files of other formats are refused with what makes an ONNX file of them, at every door."""

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.core.other_formats import check_format
from rdpass.onnx.source import read_onnx
from rdpass.sources.models import load_model


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("net.tflite", r"a TFLite model.*tf2onnx.*--output net.onnx --tflite net.tflite"),
        ("dir/net.H5", r"a Keras model.*--keras net.H5"),
        ("net.pdmodel", r"a Paddle model.*paddle2onnx.*--params_filename net.pdiparams"),
        ("net.mlmodel", "a Core ML model.*exporter of the framework"),
    ],
)
def test_the_message_names_the_remedy(name, remedy):
    with pytest.raises(ConfigError, match=remedy):
        check_format(name)


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2", "pkg.mod:net", "torchvision:resnet18", "run/", "net.rdp"])
def test_what_is_read_passes(name):
    check_format(name)


def test_every_door_refuses_one(tmp_path, capsys):
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    for door in (read_onnx, lambda file: load_model(str(file))):
        with pytest.raises(ConfigError, match="a TFLite model"):
            door(path)
    out = ["-o", str(tmp_path / "net.rdp")]
    for command, more in (("compile", out), ("bench", []), ("inspect", [])):
        assert run([command, str(path), *more]) == 2
        assert "--tflite net.tflite" in " ".join(capsys.readouterr().err.split())
    assert [file.name for file in tmp_path.iterdir()] == ["net.tflite"]
