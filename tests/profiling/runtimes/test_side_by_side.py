"""`rdpass bench --vs`: a bundle beside other runtimes on the model it was built from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.cli.app import run
from rdpass.core.errors import DeviceError
from rdpass.core.registry import Registry
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.profiling.runtimes import side_by_side
from rdpass.profiling.runtimes.catalogue import OURS, Loader
from rdpass.profiling.runtimes.side_by_side import measure, standings
from rdpass.profiling.runtimes.workload import Inference
from tests.deploy.conftest import residual_net, two_by_two_net
from tests.onnx.qdq import QdqNet


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.save(residual_net(), path)
    return path


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compile(model, "host", tmp_path_factory.mktemp("bundle") / "net.rdp")


def _bench(bundle: Bundle, model: Path, *words: str) -> int:
    return run(["bench", str(bundle.folder), "--onnx", str(model), "--runs", "6", *words])


def test_ours_and_another_runtime_take_turns_and_both_compute_the_same(
    bundle: Bundle, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _bench(bundle, model, "--vs", "ort", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert [row["runtime"] for row in found["rows"]] == [OURS, "onnxruntime"]
    assert all(row["median_ms"] > 0 and row["threads"] == 1 and row["max_rel_error"] < 1e-5 for row in found["rows"])
    ours, theirs = (row["median_ms"] for row in found["rows"])
    (standing,) = found["standings"]
    assert standing == {"runtime": "onnxruntime", "ratio": pytest.approx(theirs / ours, abs=1e-3)}


def test_a_runtime_that_fails_is_a_row_with_the_reason(
    bundle: Bundle, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(work: object, threads: int) -> Inference:
        raise RuntimeError("operator Max is not known")

    peers: dict[str, Loader] = {"ncnn": fails, "mnn": lambda work, threads: lambda x: np.zeros((1, 5))}
    monkeypatch.setattr(side_by_side, "runtimes", Registry("runtime", "none", peers, lambda name, given: given))
    rows = {row.runtime: row for row in measure(bundle.folder, model, ["ncnn", "mnn"], 1, 1)}
    assert rows[OURS].median_ms is not None
    assert rows["ncnn"].reason == "RuntimeError: operator Max is not known"
    assert "differs from the expected one by 1" in str(rows["mnn"].reason)
    assert standings(list(rows.values())) == ()


def test_what_cannot_be_compared_is_refused(
    bundle: Bundle, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx.save(two_by_two_net(), tmp_path / "two.onnx")
    two = compile(tmp_path / "two.onnx", "host", tmp_path / "two.rdp")
    capfd.readouterr()
    for chosen, file, words, reason in (
        (bundle, model, ["--vs", "tflite"], "no runtime is called tflite; known are ort, onnxruntime"),
        (bundle, model, ["--vs", ""], "no runtime is called"),
        (bundle, tmp_path / "two.onnx", ["--vs", "ort"], "is not the model that"),
        (bundle, tmp_path / "none.onnx", ["--vs", "ort"], "can't be read"),
        (two, tmp_path / "two.onnx", ["--vs", "ort"], "one input and one output"),
        (bundle, model, ["--vs", "ort", "--on", "board"], "--vs compares on this host"),
    ):
        assert _bench(chosen, file, *words) == 2, words
        assert reason in capfd.readouterr().err
    assert run(["bench", str(bundle.folder), "--vs", "ort"]) == 2
    assert "it takes --onnx FILE" in capfd.readouterr().err


def test_a_runtime_that_takes_the_process_down_is_an_error(
    bundle: Bundle, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side.sys, "executable", "/bin/false")
    with pytest.raises(DeviceError, match=r"died \(1\): it said nothing"):
        side_by_side.compare(bundle.folder, model, ["ort"], 1, 1)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A QDQ file of an image of bytes and a map of floats."""
    net = QdqNet((1, 3, 33, 33))
    x = net.image_of_bytes("x0")
    for channels, filters in ((3, 24), (24, 24), (24, 16)):
        x = net.quantised(net.relu(net.layer(x, "Conv", (filters, channels, 3, 3), 0, pads=[1] * 4)), 0.02, 0)
    path = tmp_path_factory.mktemp("quantised") / "int8.onnx"
    onnx.save(net.model(x), path)
    return path


def test_a_quantised_file_is_computed_in_integers_by_both(quantised: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(quantised), "--vs", "ort,ncnn", "--runs", "6", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    ours, theirs, refused = told["rows"]
    assert told["bundle"] == str(quantised)
    assert (ours["runtime"], theirs["runtime"], refused["runtime"]) == (OURS, "onnxruntime", "ncnn")
    assert {row["precision"] for row in (ours, theirs, refused)} == {"int8"}
    assert ours["max_rel_error"] == 0.0
    assert theirs["max_rel_error"] < 5e-2
    assert min(ours["median_ms"], theirs["median_ms"]) > 0
    assert "ncnn" in refused["reason"]


def test_what_each_computes_in_and_how_far_off_it_may_be(model: Path, bundle: Bundle) -> None:
    work = side_by_side._workload(bundle.folder, model)
    for precision, theirs in (("float32", "float32"), ("fp16", "float32"), ("int8", "int8")):
        asked = replace(work, precision=precision)  # type: ignore[arg-type]
        assert side_by_side._precision(OURS, asked) == precision
        assert side_by_side._precision("mnn", asked) == theirs
        assert side_by_side._tolerance(OURS, asked) <= side_by_side._tolerance("mnn", asked)
