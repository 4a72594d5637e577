"""Measuring here and over TVM's tracker: servers on loopback, emulated boards; what dies, hangs or is none."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import rdpass
from benchmarks.emulated_board import find_board, serve_command
from rdpass.cli.app import run
from rdpass.core.errors import DeviceError, TargetError
from rdpass.database.folder import read_records
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.deploy.device.tracker import Tracker, count_servers
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.toolchain import find_compiler
from rdpass.tuning.devices import Devices

from .fleet import LOOPBACK, Fleet
from .network_trial import network_trial, timing_of

ONE_THREAD = replace(host_target(), name="one-thread", cores=1)


def _when(fleet: Fleet, database: Path, records: int, number: int, sent: signal.Signals) -> threading.Thread:
    """Send a server a signal once so many records are there."""

    def wait() -> None:
        deadline = time.monotonic() + 500
        while len(read_records(database)) < records and time.monotonic() < deadline:
            time.sleep(0.05)
        fleet.send(number, sent)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def _tune(fleet: Fleet, model: Path, database: Path, target: object = ONE_THREAD, **settings: object) -> rdpass.Tuning:
    tracker = fleet.tracker
    return rdpass.tune(
        model, target, database, rpc=str(tracker), key=tracker.key, show_progress=False, **settings  # type: ignore[arg-type]
    )  # fmt: skip


def _served(fleet: Fleet, number: int) -> int:
    return fleet.said(number).count("start serving at")


@pytest.mark.slow
def test_two_servers_share_the_trials_and_the_death_of_one_is_survived(
    fleet: Fleet, tiny_onnx: Path, tmp_path: Path
) -> None:
    first, second = fleet.add(), fleet.add()
    database = tmp_path / "tune"
    killing = _when(fleet, database, 6, second, signal.SIGKILL)
    tuning = _tune(fleet, tiny_onnx, database, trials=16)
    killing.join()
    assert tuning.trials == 16
    records = read_records(database)
    assert len({(record.workload, record.tile) for record in records}) == 16
    assert {(record.method, record.failure) for record in records} == {("rpc", None)}
    assert _served(fleet, first) > _served(fleet, second) >= 1


@pytest.mark.slow
def test_when_the_last_server_dies_what_was_measured_is_kept(fleet: Fleet, tiny_onnx: Path, tmp_path: Path) -> None:
    database = tmp_path / "tune"
    killing = _when(fleet, database, 2, fleet.add(), signal.SIGKILL)
    with pytest.raises(DeviceError, match="has no server with the key 'here'"):
        _tune(fleet, tiny_onnx, database, trials=400, timeout=20)
    killing.join()
    assert len(read_records(database)) >= 2


@pytest.mark.slow
def test_a_server_that_hangs_ends_with_the_reason_in_time(fleet: Fleet, tiny_onnx: Path, tmp_path: Path) -> None:
    fleet.send(fleet.add(), signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(DeviceError, match=r"no board with the key 'here' .* no answer after 4 s"):
        _tune(fleet, tiny_onnx, tmp_path / "tune", trials=4, timeout=4)
    assert time.monotonic() - begun < 120


def test_a_tracker_without_such_servers_is_refused(fleet: Fleet, tiny_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="has no server with the key 'here'"):
        _tune(fleet, tiny_onnx, tmp_path / "tune")


def _listen(answer: bytes | None) -> tuple[socket.socket, str]:
    """Something that takes a connection and says ``answer`` or, for None, nothing."""
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.sendall(answer or b"")
            while answer != b"" and connection.recv(1 << 16):
                pass

    threading.Thread(target=serve, daemon=True).start()
    return listener, f"{LOOPBACK}:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "did not answer within 0.5 s"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no TVM tracker"),
        (b"", "can't be reached"),
        (b"\x71\xf2\x02\x00" + b"\x04\x00\x00\x00" + b"nope", "is no TVM tracker"),
    ],
    ids=["silent", "a web server", "hangs up", "nonsense"],
)
def test_what_is_no_tracker_is_told_in_time(
    answer: bytes | None, reason: str, tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(count_servers, "__defaults__", (0.5,))
    listener, address = _listen(answer)
    with listener:
        begun = time.monotonic()
        assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--rpc", address, "--key", "rpi4"]) == 7
        assert time.monotonic() - begun < 30
    assert reason in capfd.readouterr().err


def test_where_nobody_listens_is_told(tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    assert run(["tune", str(tiny_onnx), "--db", str(tmp_path), "--rpc", address, "--key", "rpi4"]) == 7
    assert "can't be reached: Connection refused" in capfd.readouterr().err
    with pytest.raises(DeviceError, match="can't be reached"):
        count_servers(Tracker("no-such-host.invalid", 9190, "rpi4"))


@pytest.fixture
def board() -> str:
    try:
        find_board(), find_compiler(find_target("rpi4")), find_libraries(find_target("rpi4"))
    except TargetError as error:
        pytest.skip(str(error))
    return "rpi4"


@pytest.mark.slow
def test_two_emulated_boards_tune_from_the_command_line(
    board: str, fleet: Fleet, tiny_onnx: Path, tmp_path: Path
) -> None:
    """Records, not speed: their times are the emulator's."""
    tracker = fleet.tracker
    servers = [fleet.add(serve_command(str(tracker), tracker.key)) for _ in range(2)]
    where = ["--target", board, "--rpc", str(tracker), "--key", tracker.key, "--db", str(tmp_path / "tune")]
    command = [sys.executable, "-m", "rdpass", "tune", str(tiny_onnx), *where, "--trials", "16", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == 16
    records = read_records(tmp_path / "tune")
    assert len({(record.workload, record.tile) for record in records}) == 16
    assert all(record.failure is None and record.target_name == "rpi4" for record in records)
    assert all(_served(fleet, number) >= 1 for number in servers)
    bundle = rdpass.compile(tiny_onnx, board, tmp_path / "a", database=tmp_path / "tune", show_progress=False)
    assert bundle.manifest.tuning["tuned"] == 2
    network = json.loads(done.stdout)["network"]
    assert bundle.manifest.tuning["network"] == network
    assert network["method"] == "rpc" or "no tile is known to be faster" in network["reason"]
    assert [gate.name for gate in bundle.manifest.gates][-1:] == ["bundle"]


HERE = host_target()


def test_on_this_host(tmp_path: Path) -> None:
    timing = timing_of(Devices(HERE, None, None, tmp_path), network_trial(HERE))
    assert timing.repeats >= 9
    assert [path.name for path in tmp_path.glob("*.so")] == ["variant_1.so"], "the default one is kept for the next"


@pytest.mark.slow
def test_on_a_board(fleet: Fleet, tmp_path: Path) -> None:
    fleet.add()
    assert timing_of(Devices(HERE, fleet.tracker, None, tmp_path), network_trial(HERE)).repeats >= 9
