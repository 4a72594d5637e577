"""``rdpass evaluate``: models, files and runs by name in one table; what is printed."""

import json

import numpy as np
import pytest
import torch

from rdpass.cli.app import run
from tests.cli.given import failure

RESNET, DATA = "tests.cli.given:resnet", ("--data", "tests.cli.given:data")


def brightest(outputs, targets):
    return outputs.amax(1)


def test_a_model_its_run_and_its_file_stand_in_one_table(capsys, tmp_path):
    folder, file = tmp_path / "run", tmp_path / "student.onnx"
    assert run(["convert", RESNET, "--input", "1x3x8x8", "--max-macs", "9", "-o", str(folder)]) == 0
    assert run(["export", str(folder), "-o", str(file)]) == 0
    capsys.readouterr()
    command = ["evaluate", RESNET, str(folder), str(file), *DATA]
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["part"], told["data"]) == (16, "validation", DATA[1])
    assert [network["by"] for network in told["networks"]] == ["torch", "torch", "ONNX Runtime"]
    assert told["networks"][1]["differences"]["top-1"] == {"value": 0.0, "error": 0.0}
    assert told["networks"][2]["sqnr"] > 80
    assert run(command) == 0
    printed = capsys.readouterr().out
    for words in (
        "top-1",
        "less first's",
        "same class",
        "ONNX Runtime",
        "0.00 ± 0.00",
        "16 images of",
        "its validation part",
    ):
        assert words in printed


def test_images_alone_and_a_metric_will_do(capsys, tmp_path):
    np.save(tmp_path / "images.npy", torch.randn(8, 3, 8, 8).numpy())
    metric = ("--metric", "tests.cli.test_evaluate:brightest", "--images", "5")
    assert run(["evaluate", RESNET, "--data", str(tmp_path / "images.npy"), *metric, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["part"], list(told["networks"][0]["figures"])) == (5, "all", ["brightest"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((RESNET, "tests.cli.given:vgg", "--weights", "w.pt"), "--weights is for one MODEL, and there are 2"),
        ((RESNET, RESNET), "is named twice"),
        (("none.onnx",), "none.onnx"),
        ((RESNET, "--metric", "tests.cli.given:nothing"), "nothing"),
    ],
)
def test_a_wrong_call_ends_with_one_line(capsys, arguments, words):
    code, line = failure(capsys, "evaluate", *arguments, *DATA)
    assert (code, words in line) == (2, True)
