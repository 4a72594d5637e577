"""Times of layers: both kinds of bundles, here, emulated and on a board; the layers are those of the manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, DeviceError
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.layer_times import MOST_RUNS, time_layers
from rdpass.deploy.bundle.manifest import open_sealed, seal
from tests.deploy.device.loopback import NAME, fake_ssh

KINDS = pytest.mark.parametrize("kind", ["host_bundle", "aot_bundle"])
EMULATED = pytest.mark.parametrize("kind", ["board_bundle", "board_aot_bundle"])


@KINDS
def test_every_call_is_timed_in_order_and_fits_into_its_inference(kind: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    times = time_layers(bundle.folder, runs=7, threads=2)
    assert times.plan == bundle.manifest.plan
    assert times.plan is not None
    called = [call.function for call in times.plan.calls]
    listed = {each["name"]: each["calls"] for each in bundle.manifest.kernels}
    listed |= {each["function"]: each["calls"] for each in bundle.manifest.fallbacks}
    assert {name: called.count(name) for name in called} == listed
    assert len(times.calls) == len(called)
    assert (times.whole.runs, times.whole.threads, times.whole.emulated) == (7, 2, False)
    starts = [start for start, _ in times.calls]
    assert starts == sorted(starts)
    for start, spread in times.calls:
        assert 0 <= spread.min_ms <= spread.p50_ms <= spread.p95_ms <= spread.max_ms <= times.timed.max_ms
        assert start <= times.timed.max_ms
    assert sum(spread.min_ms for _, spread in times.calls) <= times.timed.max_ms


@EMULATED
def test_a_bundle_of_another_cpu_is_timed_under_an_emulator(kind: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    times = time_layers(bundle.folder, runs=2)
    assert times.whole.emulated
    assert len(times.calls) == len(times.plan.calls) > 2


def test_layers_lie_in_the_memory_that_the_manifest_plans(host_bundle: Bundle, aot_bundle: Bundle) -> None:
    for bundle in (host_bundle, aot_bundle):
        plan = bundle.manifest.plan
        assert plan is not None
        assert plan.bytes == bundle.manifest.planned_activation_bytes
        assert {each.kind for each in plan.maps} >= {"map", "scratch"}
    assert {each.kind for each in aot_bundle.manifest.plan.maps} == {"map", "scratch"}  # outputs are the caller's


@KINDS
def test_a_bundle_of_an_earlier_version_is_refused_with_the_remedy(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    folder = tmp_path / "old.rdp"
    shutil.copytree(bundle.folder, folder)
    seal(folder, replace(bundle.manifest, plan=None))
    assert "plan" not in json.loads((folder / "manifest.json").read_bytes())
    assert open_sealed(folder).plan is None
    assert run(["profile", str(folder)]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "was built by an earlier version, whose runner has no timers; compile it again" in shown.err
    assert run(["bench", str(folder), "--runs", "3"]) == 0  # all else works


def test_a_changed_bundle_is_not_timed(spoiled: Callable[[], Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = spoiled()
    (folder / "run").write_bytes(b"")
    for where in ([], ["--on", "board"]):
        assert run(["profile", str(folder), *where]) == 8
        assert "run has changed" in capfd.readouterr().err


def test_a_board_is_timed_over_ssh_and_nothing_stays_there(aot_bundle: Bundle, board_on_loopback: Path) -> None:
    times = time_layers(aot_bundle.folder, runs=3, on=NAME)
    assert (times.whole.where, times.whole.emulated, len(times.calls)) == (NAME, False, len(times.plan.calls))
    assert list(board_on_loopback.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"runs": MOST_RUNS + 1}, {"threads": 0}, {"timeout": 0}])
def test_no_runs_too_many_threads_or_time_are_refused(host_bundle: Bundle, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"have to be 1 or more|at most 10000 runs"):
        time_layers(host_bundle.folder, **wrong)


SPREAD = {"p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0, "min_ms": 1.0, "max_ms": 1.0, "mean_ms": 1.0}
WHOLE = {"target": "host", "runs": 3, "warmup": 3, "threads": None, **SPREAD, "load_ms": 1.0, "peak_rss_bytes": 1,
         "planned_activation_bytes": 1, "planned_workspace_bytes": 1}  # fmt: skip


def test_what_a_board_prints_is_figures_of_these_very_calls_or_an_error(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [
        {"function": call.function, "start_ms": float(index), **SPREAD}
        for index, call in enumerate(host_bundle.manifest.plan.calls)
    ]

    def printed(body: object) -> None:
        fake_ssh(tmp_path, monkeypatch, f"cat >/dev/null; echo '{json.dumps(body)}'")

    good = {"whole": WHOLE, "timed": SPREAD, "calls": calls}
    printed(good)
    assert len(time_layers(host_bundle.folder, on="board").calls) == len(calls)
    first, *rest = calls
    bad = [
        [], {}, None, "fast", {**good, "calls": rest}, {**good, "calls": [*calls, first]}, {**good, "calls": [1]},
        {**good, "calls": [{**first, "function": "other"}, *rest]}, {**good, "timed": {}}, {**good, "whole": SPREAD},
        {**good, "calls": [{**first, "p50_ms": -1}, *rest]}, {**good, "calls": [{**first, "start_ms": "x"}, *rest]},
        {**good, "calls": [{**first, "more": 1}, *rest]}, {**good, "calls": [{**first, "max_ms": float("nan")}, *rest]},
        {**good, "calls": [{**first, "function": ["x"]}, *rest]}, {**good, "timed": {**SPREAD, "p50_ms": True}},
    ]  # fmt: skip
    for body in bad:
        printed(body)
        with pytest.raises(DeviceError, match="the runner on board printed no figures"):
            time_layers(host_bundle.folder, on="board")
