"""Files of other formats are refused with what makes an ONNX file of them, at every door."""

import os

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.core.other_formats import check_format, check_onnx_format
from rdpass.onnx.source import read_onnx
from rdpass.sources.models import load_model


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("net.tflite", r"a TFLite model.*tf2onnx.*--output net.onnx --tflite net.tflite"),
        ("dir/net.H5", r"a Keras model.*--keras net.H5"),
        ("net.pdmodel", r"a Paddle model.*paddle2onnx.*--params_filename net.pdiparams"),
        ("net.mlmodel", "a Core ML model.*export ONNX from the framework"),
        ("net.xml", "an OpenVINO model.*the ONNX file that it was made from"),
        ("net.engine", "a TensorRT engine.*compiled for one device"),
        ("net.safetensors", "a file of weights without a network.*--weights net.safetensors"),
        ("net.pdiparams", "weights of a Paddle model.*--model_filename net.pdmodel"),
        ("net.onnx.zip", "an archive.*unpack it"),
    ],
)
def test_the_message_names_the_remedy(name, remedy):
    with pytest.raises(ConfigError, match=remedy):
        check_format(name)


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2", "pkg.mod:net", "torchvision:resnet18", "run/", "net.rdp"])
def test_what_is_read_passes(name):
    check_format(name)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a pointer of Git LFS.*git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page.*download the file itself"),
        (b"\x1c\0\0\0TFL3\0\0", "a TFLite model.*--tflite net.onnx"),
        (b"\x89HDF\r\n\x1a\n", "a Keras model"),
    ],
)
def test_a_file_is_known_by_its_first_bytes_whatever_its_name(start, told, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(start)
    with pytest.raises(ConfigError, match=told):
        check_format(path)


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("saved_model.pb", "a TensorFlow model.*--saved-model"),
        ("inference.pdmodel", "a Paddle model.*paddle2onnx --model_dir"),
        ("config.json", r"a folder of Hugging Face.*from_pretrained\('given'\)"),
        ("conversion.json", "a run folder.*rdpass export given -o student.onnx"),
        ("manifest.json", "a bundle.*what it was compiled from"),
        ("any.onnx", "a folder.*the .onnx file in it"),
    ],
)
def test_a_folder_is_known_by_what_lies_in_it(inside, told, tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    check_format(folder)
    (folder / inside).touch()
    with pytest.raises(ConfigError, match=told):
        check_format(folder)


def test_what_is_not_there_or_no_file_is_others_to_say(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for name in ("none.onnx", "pipe.onnx"):
        check_onnx_format(tmp_path / name)


@pytest.mark.parametrize(("name", "command"), [("net.pt", "export net.pt "), ("net.onnx", "export net.pt ")])
def test_a_file_of_torch_is_none_of_onnx(name, command, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    check_format(tmp_path / name)
    with pytest.raises(ConfigError, match=f"a file of torch.*{command}.*-o net.onnx"):
        check_onnx_format(tmp_path / name)


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
