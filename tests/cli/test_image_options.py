"""``--data photos/``: from a folder of images to figures, and what is said of what can't be used."""

import json

import numpy as np
import onnx
import pytest

from rdpass.cli.app import run
from rdpass.cli.image_options import ImageOptions, beside_data, load_parts, shape_of_files, shape_of_input
from rdpass.core.errors import ConfigError
from rdpass.runs.folder import load_run
from tests.cli.given import failure
from tests.data import photographs

NET = "tests.cli.given:resnet"
CLASSES = {"bus": 8, "car": 8, "van": 8, "tram": 8}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("given") / "photos", CLASSES)


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A run folder that learnt from the photographs."""
    out = tmp_path_factory.mktemp("trained") / "run"
    command = ["convert", NET, "--data", str(photos), "--image-size", "8", "--batch-size", "8", "--recipe", "kd"]
    assert run([*command, "--mean", "0.4", "--std", "0.2", "--epochs", "1", "-o", str(out), "--json"]) == 0
    return out


def test_a_run_keeps_its_classes_and_how_images_were_read(trained):
    assert (trained / "labels.txt").read_text() == "bus\ncar\ntram\nvan\n"
    images = load_run(trained).images
    assert images.labels == ("bus", "car", "tram", "van")
    assert (images.height, images.width, images.mean, images.batch_size) == (8, 8, (0.4,) * 3, 8)


def test_a_run_is_measured_on_what_was_held_out_read_as_it_was_trained(trained, photos, capsys):
    assert run(["evaluate", str(trained), "--data", str(photos), "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["images"], found["part"]) == (8, "validation")
    assert "24 images and 8 held out (20% of each class is held out by seed 0), 4 classes (bus, car, tram, van)" in (
        printed.err
    )
    assert "read as 8x8 RGB, mean 0.4, 0.4, 0.4, std 0.2, 0.2, 0.2" in printed.err
    compared = json.loads((trained / "conversion.json").read_text())["compared"][0]
    assert found["networks"][0]["figures"]["top-1"]["value"] == compared["student"]["value"]
    assert run(["evaluate", str(trained), "--data", str(photos), "--held-out", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 32


def test_quantize_calibrates_on_the_folder(trained, photos, tmp_path, capsys):
    out = tmp_path / "int8.onnx"
    assert run(["quantize", str(trained), "--data", str(photos), "-o", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["calibrated"], report["validated"], report["held_out"]) == (24, 8, False)
    assert report["accuracy_after"] is not None
    assert shape_of_files(["run", str(out)]) == (3, 8, 8)


def test_another_number_of_classes_is_refused_before_training(tmp_path, capsys):
    photographs(tmp_path / "photos", {"a": 2, "b": 2})
    options = ("--image-size", "8", "-o", str(tmp_path / "run"))
    assert run(["convert", NET, "--data", str(tmp_path / "photos"), *options]) == 2
    assert "the model tells 4 classes apart, and the images have 2 (a, b)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_asked_for(photos, tmp_path):
    for data, options, said in (
        (str(photos), ImageOptions(), "say how large .* --image-size 224 or --input 1x3x224x224"),
        ("fotos", ImageOptions(), "'fotos': there is no such folder or file; give a folder of images"),
        ("math:tau", ImageOptions(image_size="8"), "--image-size: for a folder of images or a .csv; --data math:tau"),
        (str(tmp_path / "gone.csv"), ImageOptions(image_size="8"), "no such folder, and no such .csv"),
    ):
        with pytest.raises(ConfigError, match=said):
            load_parts(data, options)


def test_size_and_colour_are_the_models_unless_others_are_said(photos, capsys):
    train, _ = load_parts(str(photos), ImageOptions(), shape=(1, 6, 9))
    assert (train.image_settings.channels, train.image_settings.height, train.image_settings.width) == (1, 6, 9)
    like = train.image_settings
    again, _ = load_parts(str(photos), ImageOptions(image_size="5", crop=0.5), like=like)
    assert again.image_settings == type(like)(5, 5, like.mean, like.std, like.labels, crop=0.5)
    coloured, _ = load_parts(str(photos), ImageOptions(colour="rgb"), like=like)
    assert coloured.image_settings.mean == (0.485, 0.456, 0.406)
    assert shape_of_input("2x3x5x7", None) == (3, 5, 7)


def test_shapes_that_an_onnx_file_leaves_open_are_not_guessed(tmp_path):
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 3, None, None])],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "open.onnx")
    assert shape_of_files([str(tmp_path / "open.onnx"), str(tmp_path / "gone.onnx")]) is None


def test_loss_and_metric_beside_the_data_are_used_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets_data.py").write_text("loss = 3\ndef metric(outputs, targets): ...\ndef loaders(): return [1]\n")
    load_parts("pets_data:loaders", ImageOptions())
    assert beside_data("pets_data:loaders", "metric", None) == "pets_data:metric"
    assert "the metric is pets_data:metric, beside the data; another with --metric" in capsys.readouterr().err
    assert beside_data("pets_data:loaders", "loss", None) is None  # a number is none
    assert beside_data("pets_data:loaders", "metric", "mine:metric") == "mine:metric"
    assert beside_data(str(tmp_path), "loss", None) is None
    assert capsys.readouterr().err == ""


def test_names_of_folders_are_no_commands_to_a_terminal(tmp_path, capsys):
    photos = photographs(tmp_path / "p\x1b[2J", {"a\x1b[31m": 4, "b": 4})
    load_parts(str(photos), ImageOptions(image_size="8"))
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "read as 8x8" in said


def test_arrays_of_images_take_no_such_options(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 8, 8), np.float32))
    command = ("quantize", NET, "--data", tmp_path / "x.npy", "--mean", "0", "-o", tmp_path / "q.onnx")
    code, line = failure(capsys, *command)
    assert code == 2
    assert "--mean: for a folder of images or a .csv, not for" in line
