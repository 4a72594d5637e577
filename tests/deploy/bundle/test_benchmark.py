"""Timing a bundle here and on a board: figures, what is left behind (nothing), and every way a board can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, DeviceError
from rdpass.deploy.bundle.benchmark import bench
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.device import remote
from tests.deploy.device.loopback import NAME, OFF, REFUSING, UNKNOWN, fake_ssh


def test_a_changed_bundle_is_not_timed(spoiled: Callable[[], Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = spoiled()
    (folder / "run").write_bytes(b"")
    for where in ([], ["--on", "board"]):
        assert run(["bench", str(folder), *where]) == 8
        assert "run has changed" in capfd.readouterr().err


def test_a_board_is_timed_over_ssh_and_nothing_stays_there(
    host_bundle: Bundle, board_on_loopback: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", str(host_bundle.folder), "--on", NAME, "--runs", "20", "--threads", "2", "--json"]) == 0
    figures = json.loads(capfd.readouterr().out)
    assert (figures["where"], figures["emulated"], figures["runs"], figures["threads"]) == (NAME, False, 20, 2)
    assert 0 < figures["min_ms"] <= figures["p50_ms"]
    assert list(board_on_loopback.iterdir()) == []


@pytest.mark.usefixtures("board_on_loopback")
def test_a_board_of_another_architecture_gets_nothing(board_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(board_bundle.folder), "--on", NAME]) == 8
    assert "it is for aarch64, and this is x86_64" in capfd.readouterr().err


def test_a_board_that_takes_too_long_is_given_up_and_tidied_up(
    host_bundle: Bundle, board_on_loopback: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", str(host_bundle.folder), "--on", NAME, "--runs", "1000000", "--timeout", "1"]) == 7
    assert f"{NAME} was not done after 1 s; ask for fewer --runs" in capfd.readouterr().err
    assert list(board_on_loopback.iterdir()) == []


def test_a_board_without_room_says_so(
    host_bundle: Bundle, board_on_loopback: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    board_on_loopback.rmdir()
    with pytest.raises(DeviceError, match=r"the runner ended with exit code 1: mktemp: .*No such file"):
        bench(host_bundle.folder, on=NAME)


@pytest.mark.usefixtures("board_on_loopback")
@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (OFF, "Connection refused; is it on, and does sshd run there?"),
        (REFUSING, "; give it your key with `ssh-copy-id refusing-board`"),
        (UNKNOWN, "Host key verification failed; connect once by hand with `ssh unknown-board`"),
    ],
)
def test_a_board_that_cannot_be_reached_ends_with_exit_code_7_and_the_reason(
    host_bundle: Bundle, capfd: pytest.CaptureFixture[str], address: str, reason: str
) -> None:
    for command in (["bench", str(host_bundle.folder), "--on", address], ["device", "doctor", address]):
        assert run(command) == 7
        shown = capfd.readouterr()
        assert shown.out == ""
        assert shown.err.startswith(f"rdpass: {address} can't be reached: ")
        assert reason in shown.err
        assert shown.err.count("\n") == 1


@pytest.mark.parametrize("printed", ["hello", "[]", "{}", '{"runs": 3}', ""])
def test_a_runner_that_prints_no_figures_is_an_error(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    fake_ssh(tmp_path, monkeypatch, f"cat >/dev/null; echo '{printed}'")
    with pytest.raises(DeviceError, match="the runner on board printed no figures"):
        bench(host_bundle.folder, on="board")


def test_a_runner_that_cannot_start_points_to_the_doctor(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ssh(tmp_path, monkeypatch, "cat >/dev/null; echo './run: not found' >&2; exit 127")
    with pytest.raises(DeviceError, match=r"exit code 127: \./run: not found; `rdpass device doctor me@board` says"):
        bench(host_bundle.folder, on="me@board")


def test_a_copy_that_arrives_damaged_is_not_run(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil = r"s/clock/clack/"  # in README.txt: "every byte", of the same length
    fake_ssh(
        tmp_path, monkeypatch, f'for script; do :; done; sed "{spoil}; s/every byte/every bite/" | sh -c "$script"'
    )
    with pytest.raises(DeviceError, match=r"exit code 1: .*README\.txt"):
        bench(host_bundle.folder, on="board")


@pytest.mark.parametrize("address", ["-oProxyCommand=reboot", "a b", "me@", "", "me@-x", "me@host;reboot", "$(x)"])
def test_what_is_no_address_never_reaches_ssh(
    address: str, host_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.subprocess, "run", lambda *arguments, **options: pytest.fail("ssh was called"))
    with pytest.raises(ConfigError, match="is no address of a board"):
        bench(host_bundle.folder, on=address)


@pytest.mark.parametrize("wrong", [{"runs": 0}, {"threads": 0}, {"timeout": 0}])
def test_no_runs_threads_or_time_are_refused(host_bundle: Bundle, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="have to be 1 or more"):
        bench(host_bundle.folder, **wrong)


GOOD = {
    "target": "host", "runs": 3, "warmup": 3, "threads": None, "p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0,
    "min_ms": 1.0, "max_ms": 1.0, "mean_ms": 1.0, "load_ms": 1.0, "peak_rss_bytes": 1, "planned_activation_bytes": 1,
    "planned_workspace_bytes": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"p50_ms": "fast"}, {"p50_ms": None}, {"p50_ms": True}, {"p50_ms": [1]}, {"p50_ms": -1.0}, {"runs": 10**400},
     {"p50_ms": float("nan")}, {"p50_ms": float("inf")}, {"target": 7}, {"threads": "x"}, {"where": "x"}, {"more": 1}],
)  # fmt: skip
def test_figures_of_a_board_are_numbers_or_none_at_all(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    fake_ssh(tmp_path, monkeypatch, f"cat >/dev/null; echo '{json.dumps(GOOD)}'")
    assert bench(host_bundle.folder, on="board").p50_ms == 1.0
    fake_ssh(tmp_path, monkeypatch, f"cat >/dev/null; echo '{json.dumps({**GOOD, **changes})}'")
    with pytest.raises(DeviceError, match="the runner on board printed no figures"):
        bench(host_bundle.folder, on="board")
