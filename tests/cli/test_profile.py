"""``rdpass profile``: a table, JSON, a page and a trace; places are refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.deploy.bundle.building import Bundle


def test_the_table_has_every_layer_and_the_sum_beside_whole_inferences(
    host_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["profile", str(host_bundle.folder), "--runs", "5", "--threads", "1"]) == 0
    shown = capfd.readouterr().out
    assert "(host) on this host: medians of 5 inferences, 1 thread\n" in shown
    assert all(call.function in shown for call in host_bundle.manifest.plan.calls)
    for words in (
        "all layers",
        "layers timed",
        "nothing else timed",
        "planned memory",
        "GFLOP/s",
        "bound by",
        "estimated",
    ):
        assert words in shown


def test_json_page_and_trace_say_the_same(
    host_bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page, trace = tmp_path / "profile.html", tmp_path / "trace.json"
    words = ["profile", str(host_bundle.folder), "--runs", "3", "--html", str(page), "--chrome-trace", str(trace)]
    assert run([*words, "--json"]) == 0
    body = json.loads(capfd.readouterr().out)
    names = [call.function for call in host_bundle.manifest.plan.calls]
    assert [layer["kernel"] for layer in body["layers"]] == names
    assert body["layers_ms"] == pytest.approx(sum(layer["ms"] for layer in body["layers"]))
    assert body["memory_bytes"] == host_bundle.manifest.planned_activation_bytes
    assert {"noisy", "slowed", "maps", "timing", "timed_ms", "other_ms", "bundle"} <= body.keys()
    assert all(name in page.read_text() for name in names)
    assert [event["name"] for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"][1:] == names
    before = page.read_bytes()
    assert run(words) == 2
    assert "exists already" in capfd.readouterr().err
    assert page.read_bytes() == before
    assert run([*words, "--force"]) == 0


def test_a_dash_is_stdout_and_no_file(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["profile", str(host_bundle.folder), "--runs", "2"]
    assert run([*words, "--html", "-"]) == 0
    assert capfd.readouterr().out.startswith("<!doctype html>")
    assert run([*words, "--chrome-trace", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["traceEvents"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (["--html", "net.rdp/page.html"], "lies in the bundle"),
        (["--html", "a", "--chrome-trace", "./a"], "is given for two files"),
        (["--html", "-", "--json"], "one can go to stdout"),
        (["--html", "-", "--chrome-trace", "-"], "one can go to stdout"),
        (["--runs", "10001"], "at most 10000 runs"),
        (["--runs", "0"], "runs"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_runs(
    places: list[str], reason: str, host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.rdp").symlink_to(host_bundle.folder)
    assert run(["profile", "net.rdp", *places]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert reason in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["net.rdp"]


def test_an_emulated_bundle_says_that_its_times_mean_nothing(
    board_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["profile", str(board_bundle.folder), "--runs", "1"]) == 0
    assert "these times mean nothing" in capfd.readouterr().out
