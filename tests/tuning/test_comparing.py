"""The whole network is timed with its tiles and without: which selections, when, and what ``compile`` makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import rdpass
from rdpass.cli.app import run
from rdpass.database.best import read_best
from rdpass.database.folder import read_records
from rdpass.database.record import Selection
from rdpass.targets.lookup import host_target
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Outcome, Rejected, Unknown, judged

from .conftest import tiny_net
from .made_up import MadeUp

SLOWER = 1.25
Use = Callable[..., MadeUp]


def _tune(model: Path, folder: Path, trials: int = 6, **settings: object) -> rdpass.Tuning:
    return rdpass.tune(model, "host", folder, trials=trials, show_progress=False, **settings)  # type: ignore[arg-type]


def _timed(folder: Path) -> int:
    return len(read_best(folder, host_target()).networks)


def test_tiles_that_win_one_by_one_and_lose_together_are_left_out_and_compile_says_so(
    made_up: Use, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    measurer = made_up(whole=lambda tiles: SLOWER)
    tuning = _tune(tiny_onnx, tmp_path / "tune")
    assert [len(tiles) for tiles in measurer.networks] == [2, 1]
    assert all(w.tile != w.default for w in tuning.workloads)
    assert (tuning.network.built, tuning.network.tiles) == ("default", 0)
    assert (tuning.network.seconds, tuning.network.default_seconds) == (0.0125, 0.01)
    command = ["compile", str(tiny_onnx), "-o", str(tmp_path / "a"), "--db", str(tmp_path / "tune")]
    assert run(command) == 0
    assert "10.000 ms without, timed here: built without them" in capfd.readouterr().out
    untuned = rdpass.compile(tiny_onnx, "host", tmp_path / "b", show_progress=False).manifest
    assert rdpass.verify(tmp_path / "a")
    assert (tmp_path / "a" / "model.so").read_bytes() == (tmp_path / "b" / "model.so").read_bytes()
    assert untuned.tuning == {}


def test_the_half_that_gains_most_is_tried_when_all_lose(made_up: Use, tiny_onnx: Path, tmp_path: Path) -> None:
    measurer = made_up(whole=lambda tiles: SLOWER if len(tiles) > 1 else 0.75)
    tuning = _tune(tiny_onnx, tmp_path)
    (all_tiles, (kept,)) = measurer.networks
    assert kept in all_tiles
    often = max(tuning.workloads, key=lambda w: w.calls)
    assert kept == (often.workload, often.tile)
    assert (tuning.network.built, tuning.network.tiles, tuning.network.seconds) == ("tuned", 1, 0.0075)


def test_what_was_timed_is_not_timed_again_but_where_that_is_all_that_is_wanted(
    made_up: Use, tiny_onnx: Path, tmp_path: Path
) -> None:
    first = made_up()
    assert _tune(tiny_onnx, tmp_path).network.built == "tuned"
    again = made_up()
    tuning = _tune(tiny_onnx, tmp_path)
    assert (again.seen, again.networks, tuning.fresh) == ([], [], 0)
    only = made_up(whole=lambda tiles: SLOWER)
    tuning = _tune(tiny_onnx, tmp_path, trials=0)
    assert only.seen == []
    assert only.networks[0] == first.networks[0]
    assert (tuning.trials, tuning.fresh) == (6, len(only.networks))


def test_a_run_that_its_budget_ends_times_the_network_too(made_up: Use, tiny_onnx: Path, tmp_path: Path) -> None:
    measurer = made_up()
    _tune(tiny_onnx, tmp_path, trials=2)
    assert len(measurer.networks) == 1
    late = made_up()
    _tune(tiny_onnx, tmp_path, trials=400, seconds=1e-9)
    assert (late.seen, late.networks) == ([], [])


def test_an_interruption_while_the_network_is_timed_keeps_all_and_the_next_run_goes_on_there(
    made_up: Use, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(tiles: Selection) -> float:
        raise KeyboardInterrupt

    made_up(whole=interrupted)
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", "6"]) == 130
    assert "interrupted; 6 trials are in" in capfd.readouterr().err
    kept = read_records(tmp_path)
    assert len({(record.workload, record.tile) for record in kept}) == 6
    bundle = rdpass.compile(tiny_onnx, "host", tmp_path / "a", database=tmp_path, show_progress=False)
    assert "never timed with 2 tuned tiles" in bundle.manifest.tuning["network"]["reason"]
    measurer = made_up()
    _tune(tiny_onnx, tmp_path)
    assert (measurer.seen, len(measurer.networks)) == ([], 1)
    assert read_records(tmp_path) == kept


def test_a_torn_record_of_the_network_is_as_good_as_none(
    made_up: Use, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made_up(whole=lambda tiles: SLOWER)
    _tune(tiny_onnx, tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    networks = [line for line in lines if b'"network":' in line]
    path.write_bytes(b"".join(line for line in lines if line not in networks) + networks[0][:-40])
    assert _timed(tmp_path) == 0
    assert run(["db", "check", str(tmp_path)]) == 8
    assert "torn" in capfd.readouterr().out
    measurer = made_up(whole=lambda tiles: 0.5)
    assert _tune(tiny_onnx, tmp_path).network.built == "tuned"
    assert len(measurer.networks) == _timed(tmp_path) == 1


def test_another_network_of_the_same_workloads_has_no_verdict_of_this_one(
    made_up: Use, tiny_onnx: Path, tmp_path: Path
) -> None:
    made_up(whole=lambda tiles: SLOWER)
    _tune(tiny_onnx, tmp_path / "tune")
    onnx.save(tiny_net(layers=2), tmp_path / "deeper.onnx")
    measurer = made_up()
    tuning = _tune(tmp_path / "deeper.onnx", tmp_path / "tune")
    assert (measurer.seen, len(measurer.networks)) == ([], 1)
    assert tuning.network.built == "tuned"
    assert _tune(tiny_onnx, tmp_path / "tune").network.built == "default"


def test_numbers_that_are_wrong_together_are_a_reason_to_leave_tiles_out(
    made_up: Use, tiny_onnx: Path, tmp_path: Path
) -> None:
    def wrong(tiles: Selection) -> Outcome:
        return judged(Timing(1e-3, 1e-2, 30, 0.1, 0.5 if len(tiles) > 1 else 0.0), 1e-4)

    made_up(whole=wrong)
    assert _tune(tiny_onnx, tmp_path / "some").network.tiles == 1
    made_up(whole=lambda tiles: Rejected("it crashed"))
    verdict = _tune(tiny_onnx, tmp_path / "none").network
    assert verdict.built == "default"
    assert verdict.reason.endswith("can't be used: it crashed")


def test_where_the_network_can_not_be_timed_nothing_is_recorded_and_the_reason_is_told(
    made_up: Use, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    measurer = made_up(whole=lambda tiles: Unknown("no board has room for it"))
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--trials", "6"]) == 0
    captured = capfd.readouterr()
    assert "the whole network could not be timed: no board has room for it" in captured.err
    assert "whole network: never timed with 2 tuned tiles" in captured.out
    assert (len(measurer.networks), _timed(tmp_path)) == (1, 0)


def test_without_a_faster_tile_there_is_nothing_to_time(made_up: Use, tiny_onnx: Path, tmp_path: Path) -> None:
    measurer = made_up(ratio=lambda work, tile: 1.5)
    assert _tune(tiny_onnx, tmp_path).network.built == "default"
    assert measurer.networks == []
