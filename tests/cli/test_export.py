"""``rdpass export``: what it takes, and what it leaves."""

import onnx

from rdpass.cli.app import run
from tests.cli.given import INPUT, RESNET, failure


def test_export_takes_the_folder_that_convert_wrote_and_nothing_else(capsys, here):
    (here / "empty").mkdir()
    code, line = failure(capsys, "export", here / "empty", "-o", here / "s.onnx")
    assert code == 2
    assert "is not the output folder of rdpass convert" in line
    assert run(["convert", RESNET, *INPUT, "--max-macs", "9", "-o", str(here / "run")]) == 0
    assert run(["export", str(here / "run"), "-o", str(here / "s.onnx")]) == 0
    assert (here / "s.onnx").exists()
    assert (here / "s.golden.npz").exists()


def test_a_model_is_exported_from_an_input_or_from_data(here):
    for name, words in (("input", INPUT), ("data", ("--data", "tests.cli.given:data"))):
        assert run(["export", RESNET, *words, "-o", str(here / f"{name}.onnx")]) == 0
    shapes = [onnx.load(here / f"{name}.onnx").graph.input[0].type.tensor_type.shape.dim for name in ("input", "data")]
    assert [[dim.dim_value for dim in shape] for shape in shapes] == [[1, 3, 8, 8], [1, 3, 8, 8]]


def test_a_file_that_is_there_stays_without_force(capsys, here):
    (here / "s.onnx").write_text("mine")
    code, line = failure(capsys, "export", RESNET, *INPUT, "-o", here / "s.onnx")
    assert code == 2
    assert "exists already" in line
    assert (here / "s.onnx").read_text() == "mine"
