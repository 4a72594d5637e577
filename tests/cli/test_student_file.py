"""A run folder becomes a bundle in one command, in every precision."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rdpass.cli.app import run
from rdpass.cli.student_file import student_file
from rdpass.core.errors import ConfigError
from rdpass.onnx.golden import golden_path
from rdpass.onnx.source import read_onnx
from rdpass.runs.known_data import remember_data
from tests.cli.given import failure
from tests.kernels.integers import emulated

RESNET, DATA = "tests.cli.given:resnet", "tests.cli.given:data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exact student, converted without data."""
    place = tmp_path_factory.mktemp("runs") / "run"
    assert run(["convert", RESNET, "--input", "1x3x8x8", "--max-macs", "9", "-o", str(place)]) == 0
    return place


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder that knows of no run."""
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))


def test_a_student_is_a_file_of_the_precision_that_was_asked_for(folder, capfd):
    for precision, data in ((None, None), ("float32", None), ("fp16", None), ("int8", DATA)):
        with student_file(folder, precision, data) as file:
            assert read_onnx(file).is_quantised == (precision == "int8")
            assert golden_path(file).exists()
        assert not file.exists()
    said = capfd.readouterr().err
    assert f"images of {DATA}" in said
    assert "SQNR" in said
    assert "top class right" in said


def test_int8_takes_data_or_those_that_are_known(folder, cache):
    asked = pytest.raises(ConfigError, match=r"--data pkg\.mod:fn or --data images\.npy")
    with asked, student_file(folder, "int8", None):
        pass
    remember_data(folder, DATA)
    with student_file(folder, "int8", None) as file:
        assert read_onnx(file).is_quantised
    with pytest.raises(ConfigError, match="is for --precision int8"), student_file(folder, "fp16", DATA):
        pass


@pytest.mark.parametrize(("precision", "kind"), [(None, "f32"), ("fp16", "f16"), ("int8", "s8")])
def test_compile_takes_the_folder(precision, kind, folder, tmp_path, capfd):
    emulated("rpi5")
    words = [] if precision is None else ["--precision", precision]
    if precision == "int8":
        np.save(tmp_path / "images.npy", torch.randn(16, 3, 8, 8).numpy())
        words += ["--data", str(tmp_path / "images.npy")]
    capfd.readouterr()
    out = tmp_path / "student.rdp"
    assert run(["compile", str(folder), "--target", "rpi5", *words, "-o", str(out), "--json"]) == 0
    manifest = json.loads(capfd.readouterr().out)
    assert manifest["precision"] == (precision or "float32")
    kinds = {kernel["name"].split("_")[0] for kernel in manifest["kernels"]}
    assert kind in kinds
    assert "bundle" in [gate["name"] for gate in manifest["gates"]]
    assert run(["verify", str(out)]) == 0


@pytest.mark.slow
def test_a_run_that_was_trained_here_needs_no_data_named(tmp_path):
    """In processes of their own, as a user has them."""
    emulated("rpi5")
    env = {**os.environ, "RDPASS_CACHE": str(tmp_path / "cache")}

    def rdpass(*words):
        command = [sys.executable, "-m", "rdpass", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    place = tmp_path / "run"
    done = rdpass("convert", RESNET, "--data", DATA, "--recipe", "migrate", "--epochs", "1", "-o", place)
    assert done.returncode == 0, done.stderr
    wanted = ("--target", "rpi5", "--precision", "int8", "--runtime", "none")  # the cache has no runtime either
    done = rdpass("compile", place, *wanted, "-o", tmp_path / "student.rdp", "--json")
    assert done.returncode == 0, done.stderr
    assert f"images of {DATA}" in done.stderr
    assert json.loads(done.stdout)["precision"] == "int8"


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--precision", "int8"], 2, "--data"),
        (["--data", DATA], 2, "is for --precision int8"),
        (["--precision", "int8", "--data", "tests.cli.given:none"], 2, "can't be found"),
        (["--precision", "fp16", "--target", "rpi4"], 6, "asimdhp"),
        (["--target", "rpi9"], 6, "no target is called"),
        (["--input", "1x3x9x9"], 2, "leave out --input"),
        (["--golden", "a.npz"], 2, "--golden"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_exported(
    words, code, reason, folder, cache, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("rdpass.onnx.export.export_onnx", lambda *given, **more: pytest.fail("it was exported"))
    got, line = failure(capsys, "compile", folder, *words, "-o", tmp_path / "student.rdp")
    assert (got, reason in line) == (code, True), line
    assert not (tmp_path / "student.rdp").exists()


def test_a_folder_that_is_none_of_convert_and_a_place_that_is_taken_are_refused(folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    code, line = failure(capsys, "compile", tmp_path / "empty", "-o", tmp_path / "student.rdp")
    assert (code, "is not the output folder of rdpass convert" in line) == (2, True)
    (tmp_path / "taken").mkdir()
    code, line = failure(capsys, "compile", folder, "-o", tmp_path / "taken")
    assert (code, "exists already" in line) == (2, True)
    code, line = failure(capsys, "compile", folder, "-o", folder, "--force")
    assert code == 2
    code, line = failure(capsys, "compile", "some.onnx", "--data", DATA, "-o", tmp_path / "student.rdp")
    assert (code, "rdpass quantize" in line) == (2, True)
