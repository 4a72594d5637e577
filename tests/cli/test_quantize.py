"""``rdpass quantize``: models, runs, files and images by name; what is printed."""

import json

import numpy as np
import onnx
import pytest
import torch

from rdpass.cli.app import run
from tests.cli.given import failure

RESNET, DATA = "tests.cli.given:resnet", ("--data", "tests.cli.given:data")


def test_a_model_is_quantised_and_the_report_told(capsys, tmp_path):
    place = tmp_path / "int8.onnx"
    assert run(["quantize", RESNET, *DATA, "-o", str(place), "--keep-worst", "1"]) == 0
    printed = capsys.readouterr().out
    for line in ("minmax", "entropy", "taken", "layer, quantised alone", "float", "SQNR of the outputs", str(place)):
        assert line in printed
    onnx.checker.check_model(str(place), full_check=True)
    code, line = failure(capsys, "quantize", RESNET, *DATA, "-o", place)
    assert (code, "exists already" in line) == (2, True)


def test_a_run_and_a_file_are_quantised_and_the_report_is_json(capsys, tmp_path):
    folder, file = tmp_path / "run", tmp_path / "student.onnx"
    assert run(["convert", RESNET, "--input", "1x3x8x8", "--max-macs", "9", "-o", str(folder)]) == 0
    assert run(["export", str(folder), "-o", str(file)]) == 0
    capsys.readouterr()
    for source in (folder, file):
        place = tmp_path / f"{source.stem}-int8.onnx"
        command = ["quantize", str(source), *DATA, "-o", str(place), "--calibrator", "minmax", "--activations", "s8"]
        assert run([*command, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["calibrator"], told["activations"], told["out"]) == ("minmax", "s8", str(place))
        assert told["sqnr"] > 20
        assert 0 <= told["accuracy_after"] <= 100


def test_images_come_from_an_array_on_disk(capsys, tmp_path):
    np.save(tmp_path / "images.npy", torch.randn(8, 3, 8, 8).numpy())
    command = ["quantize", RESNET, "--data", str(tmp_path / "images.npy"), "-o", str(tmp_path / "int8.onnx")]
    assert run([*command, "--json", "--diagonal", "--rounding", "nearest"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["calibrated"], told["validated"], told["held_out"], told["rounding"]) == (6, 2, True, "nearest")
    code, line = failure(capsys, "quantize", RESNET, "--data", tmp_path / "none.npy", "-o", tmp_path / "other.onnx")
    assert (code, "none.npy can't be read as an array of images" in line) == (2, True)


@pytest.mark.parametrize("option", [("--weights", "w.pt"), ("--input", "1x3x8x8")])
def test_a_file_brings_its_weights_and_input_along(capsys, tmp_path, option):
    code, line = failure(capsys, "quantize", "some.onnx", *DATA, *option, "-o", tmp_path / "int8.onnx")
    assert code == 2
    assert "leave out --weights and --input" in line


def test_a_network_that_is_quantised_is_not_quantised_again(capsys, tmp_path):
    place = tmp_path / "int8.onnx"
    assert run(["quantize", RESNET, *DATA, "-o", str(place), "--calibrator", "minmax", "--json"]) == 0
    capsys.readouterr()
    code, line = failure(capsys, "quantize", place, *DATA, "-o", tmp_path / "again.onnx")
    assert code == 2
    assert "quantised already" in line
