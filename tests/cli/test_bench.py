"""``rdpass bench``: figures as a table and as JSON, and a comparison in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.cli.bench import print_timing
from rdpass.deploy.bundle.benchmark import Timing
from rdpass.deploy.bundle.building import Bundle
from rdpass.profiling.runtimes import side_by_side
from rdpass.profiling.runtimes.catalogue import OURS
from rdpass.profiling.runtimes.rows import Row


def test_bench_prints_the_runners_figures_as_json(host_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(host_bundle.folder), "--runs", "20", "--threads", "1", "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert (figures["where"], figures["emulated"], figures["runs"], figures["threads"]) == ("this host", False, 20, 1)
    assert 0 < figures["min_ms"] <= figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]
    assert figures["peak_rss_bytes"] > 1 << 20


def test_figures_of_an_emulator_are_called_that(board_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(board_bundle.folder), "--runs", "3"]) == 0
    shown = capfd.readouterr().out
    assert "(rpi4) on this host: 3 runs after 3" in shown
    assert "no measure of any board" in shown


@pytest.mark.parametrize(
    ("least", "median", "high", "noisy"),
    [(1.0, 1.1, 1.3, False), (1.0, 1.1, 1.5, True), (1.0, 1.3, 1.4, True), (0.0, 0.1, 0.1, True)],
)
def test_a_machine_that_is_too_noisy_is_called_that(
    least: float, median: float, high: float, noisy: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    timing = Timing("this host", False, "rpi4", 20, 2, 1, median, high, high, least, high, median, 5.0, 1 << 20, 0, 0)
    assert timing.is_noisy == noisy
    print_timing(Path("student.rdp"), timing)
    assert ("Not to be believed" in capsys.readouterr().out) == noisy


def test_the_text_says_so_when_ours_loses_and_why_one_is_not_there(
    host_bundle: Bundle, residual_onnx: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [Row(OURS, "model", 1, 2.0, 0.1, "cpu", 1e-7), Row("onnxruntime", "model", 1, 1.5, 0.1, "cpu", 0.0),
            Row("mnn", "model", 1, 4.0, 0.1, "cpu", 0.0),
            Row("ncnn", "model", 1, reason='ncnn is not installed; pip install "rdpass[peers]"')]  # fmt: skip
    monkeypatch.setattr(side_by_side, "rows_of_process", lambda command, threads: rows)
    assert run(["bench", str(host_bundle.folder), "--onnx", str(residual_onnx), "--vs", "ort,mnn,ncnn"]) == 0
    shown = capfd.readouterr().out
    assert "ours / onnxruntime: 0.75 x as fast, ours loses" in shown
    assert "ours / mnn: 2.00 x as fast, ahead" in shown
    assert 'ncnn is not installed; pip install "rdpass[peers]"' in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--vs", "ort"], "it takes --onnx FILE, and no --on"),
        (["--vs", "ort", "--onnx", "net.onnx", "--on", "board"], "it takes --onnx FILE, and no --on"),
        (["--precision", "fp16"], "has its precision already"),
        (["--optimize", "size"], "has its kernels already"),
        (["--runs", "0"], "runs"),
        (["--threads", "0"], "threads"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    words: list[str], reason: str, host_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", str(host_bundle.folder), *words]) == 2
    assert reason in capfd.readouterr().err


def test_a_file_is_built_for_this_host_and_timed(
    residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["bench", str(residual_onnx), "--optimize", "size", "--runs", "5", "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert (figures["bundle"], figures["target"], figures["runs"]) == (str(residual_onnx), "host", 5)
    assert not [*tmp_path.iterdir()]
    for words, reason in ((["--on", "pi@board"], "give a bundle"), (["--precision", "int8"], "rdpass quantize")):
        assert run(["bench", str(residual_onnx), *words]) == 2
        assert reason in capfd.readouterr().err
