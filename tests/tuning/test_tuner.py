"""``tune`` keeps its books: what is measured is kept, continued, rejected or refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rdpass
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, TargetError
from rdpass.database.folder import read_records
from rdpass.kernels.templates.apart import ApartTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Outcome, judged
from rdpass.tuning.task import Trial

from .made_up import MadeUp


def test_a_run_is_recorded_continued_and_used_by_compile(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path
) -> None:
    """Apart tiles and Winograd by 4 are declared the fastest."""
    wanted = (ApartTile, WinogradTile)
    measurer = made_up(ratio=lambda work, tile: 0.5 if isinstance(tile, wanted) else 1.5)
    tuning = rdpass.tune(tiny_onnx, "host", tmp_path, trials=9, show_progress=False)
    assert (tuning.trials, len(tuning.workloads)) == (9, 2)
    assert sorted(w.calls for w in tuning.workloads) == [1, 3]
    assert tuning.seconds == pytest.approx(0.5 * tuning.default_seconds)
    assert tuning.fresh - 1 == len(measurer.seen) == len(read_records(tmp_path))
    seen = {(trial.workload, trial.tile) for trial in measurer.seen}

    measurer = made_up(ratio=lambda work, tile: 1.5)
    again = rdpass.tune(tiny_onnx, "host", tmp_path, trials=9, show_progress=False)
    assert (again.fresh, measurer.seen) == (0, [])
    assert again.workloads == tuning.workloads
    more = rdpass.tune(tiny_onnx, "host", tmp_path, trials=12, show_progress=False)
    assert (more.trials, more.fresh) == (12, 3)
    assert not seen & {(trial.workload, trial.tile) for trial in measurer.seen}

    a, b, untuned = (
        rdpass.compile(tiny_onnx, "host", tmp_path / name, database=database, show_progress=False).manifest
        for name, database in (("a", tmp_path), ("b", tmp_path), ("c", None))
    )
    assert a == b
    assert a.tuning.items() >= {"workloads": 2, "tuned": 2, "estimated": 0}.items()
    assert untuned.tuning == {}
    assert untuned.files["model.so"] != a.files["model.so"]
    assert rdpass.verify(tmp_path / "a")


def test_a_tile_with_wrong_numbers_is_recorded_as_failed_and_never_chosen(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path
) -> None:
    def outcome(trial: Trial) -> Outcome:
        return judged(Timing(1e-6, 1e-3, 9, 0.1, 0.5), 1e-4) if isinstance(trial.tile, WinogradTile) else Timing(
            2e-3, 1e-3, 9, 0.1, 0.0
        )  # fmt: skip

    made_up(outcome=outcome)
    tuning = rdpass.tune(tiny_onnx, "host", tmp_path, trials=10, show_progress=False)
    failed = [record for record in read_records(tmp_path) if record.failure]
    assert failed
    assert all("numbers differ" in (record.failure or "") for record in failed)
    assert all(w.tile == w.default for w in tuning.workloads)


def test_what_was_measured_before_an_interruption_is_kept(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def outcome(trial: Trial) -> Outcome:
        if len(measurer.seen) == 4:
            raise KeyboardInterrupt
        return Timing(1e-3, 1e-3, 9, 0.1, 0.0)

    measurer = made_up(outcome=outcome)
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", "9"]) == 130
    assert "interrupted; 3 trials are in" in capfd.readouterr().err
    assert len(read_records(tmp_path)) == 3


def test_arguments_that_do_not_fit_are_refused(tiny_onnx: Path, tmp_path: Path) -> None:
    for settings, kind, reason in (
        ({"trials": -1}, ConfigError, "0 or more"),
        ({"seconds": -1.0}, ConfigError, "positive"),
        ({"model": "guess"}, ConfigError, "no model is called"),
        ({"rpc": "127.0.0.1:9190"}, ConfigError, "given together"),
        ({"key": "rpi4"}, ConfigError, "given together"),
        ({"rpc": "127.0.0.1:9190", "key": "rpi4", "model": "mca"}, ConfigError, "not both"),
        ({"rpc": "nowhere", "key": "rpi4"}, ConfigError, "HOST:PORT"),
        ({"target": "rpi4"}, TargetError, "not this machine"),
        ({"target": "rpi9"}, TargetError, "no target is called"),
        ({"target": "host", "model": "mca"}, TargetError, "no model of"),
    ):
        with pytest.raises(kind, match=reason):
            rdpass.tune(tiny_onnx, database=tmp_path, show_progress=False, **settings)  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        rdpass.tune(tiny_onnx, database=tmp_path / "file", show_progress=False)
    with pytest.raises(ConfigError, match="is no database"):
        rdpass.compile(tiny_onnx, "host", tmp_path / "a", database=tmp_path / "none", show_progress=False)


def test_a_damaged_database_is_tuned_on_and_compiled_with(
    made_up: Callable[..., MadeUp], tiny_onnx: Path, tmp_path: Path
) -> None:
    made_up()
    rdpass.tune(tiny_onnx, "host", tmp_path, trials=4, show_progress=False)
    (path,) = tmp_path.glob("*.jsonl")
    before = len(read_records(tmp_path))
    path.write_bytes(b"\x00\xff\n" + path.read_bytes() + b'{"torn')
    assert rdpass.tune(tiny_onnx, "host", tmp_path, trials=6, show_progress=False).trials == 6
    assert len(read_records(tmp_path)) > before
    bundle = rdpass.compile(tiny_onnx, "host", tmp_path / "a", database=tmp_path, show_progress=False)
    assert bundle.manifest.tuning["tuned"] == 2


def _start(tiny_onnx: Path, folder: Path, trials: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rdpass", "tune", str(tiny_onnx), "--db", str(folder), "--trials", str(trials)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def test_kernels_are_timed_on_this_host_and_a_terminated_run_is_continued(
    tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The one test that builds and times for real."""
    process = _start(tiny_onnx, tmp_path, 1000)
    deadline = time.monotonic() + 300
    while len(read_records(tmp_path)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert b"interrupted; " in said
    before = read_records(tmp_path)
    assert len(before) >= 3
    trials = len(before) + 2
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", str(trials), "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["trials"] == trials
    network = report["network"]
    if network["seconds"] is None:
        assert "no tile is known to be faster" in network["reason"]
    else:
        assert (network["method"], network["built"] == "tuned") == ("host", network["tiles"] > 0)
        assert network["repeats"] >= 30
    after = read_records(tmp_path)
    assert after[: len(before)] == before
    assert all(record.failure is None and record.method == "host" for record in after)
    assert len({(record.workload, record.tile) for record in after}) == trials
    bundle = rdpass.compile(tiny_onnx, "host", tmp_path / "a", database=tmp_path, show_progress=False)
    runner = rdpass.load(bundle.folder)
    x = np.load(bundle.folder / "golden" / "input_0.npy")
    assert np.allclose(runner(x), np.load(bundle.folder / "golden" / "output_0.npy"), atol=1e-4)
