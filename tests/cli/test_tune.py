"""``rdpass tune``: a table and JSON of what was tried, and words that fit no search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.database.folder import read_records
from tests.tuning.made_up import MadeUp


def test_every_workload_is_a_line_with_its_time_over_the_defaults(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made_up(ratio=lambda work, tile: 0.5)
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", "6"]) == 0
    shown = capfd.readouterr().out
    (conv,) = [line.split() for line in shown.splitlines() if "conv 3x3 16-16 12x12" in line and "add" not in line]
    assert conv[-2:] == ["0.500", "50.0%"]
    assert "50.0% of the" in shown
    assert "whole network:" in shown
    assert f"6 trials in {tmp_path}, {len(read_records(tmp_path)) + 1} records of this run" in shown


def test_json_has_workloads_and_tiles_as_records_have_them(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made_up(ratio=lambda work, tile: 2.0)
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", "4", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["method"], report["trials"]) == ("host", 4)
    assert report["seconds"] == report["default_seconds"]
    for row in report["workloads"]:
        assert row["workload"]["kind"] in ("Convolution", "PointwisePair")
        assert row["tile"] == row["default"]
        assert row["tile"]["kind"].endswith("Tile")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--model", "guess"], 2, "no model is called 'guess'; there is mca"),
        (["--rpc", "127.0.0.1:1"], 2, "given together"),
        (["--trials", "-1"], 2, "0 or more"),
        (["--target", "rpi9"], 6, "no target is called"),
    ],
)
def test_words_that_fit_no_search_end_with_one_line_and_nothing_written(
    words: list[str], code: int, reason: str, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path / "db"), *words]) == code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert reason in shown.err
    assert not (tmp_path / "db").exists()
