"""``rdpass device doctor``: a board examined over ssh."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.deploy.device.facts import ask_board
from rdpass.targets.lookup import host_target
from tests.deploy.device.loopback import NAME


def test_the_doctor_examines_a_board_and_changes_nothing_there(
    board_on_loopback: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["device", "doctor", NAME, "--target", "host", "--json"]) == 0
    findings = {finding["need"]: finding for finding in json.loads(capfd.readouterr().out)}
    assert findings["architecture"]["status"] == findings["cpu features"]["status"] == "ok"
    assert findings["glibc"]["status"] == "ok"
    assert str(board_on_loopback) in findings["disk"]["detail"]
    assert list(board_on_loopback.iterdir()) == []
    assert ask_board(NAME).features.issuperset(host_target().features)


@pytest.mark.usefixtures("board_on_loopback")
def test_a_board_that_cannot_run_a_target_ends_with_exit_code_7(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["device", "doctor", NAME, "--target", "graviton4"]) == 7
    assert "a bundle for aarch64 does not run here" in " ".join(capfd.readouterr().out.split())


@pytest.mark.usefixtures("board_on_loopback")
def test_a_tracker_that_is_off_is_said_to_be(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        tracker = f"127.0.0.1:{closed.getsockname()[1]}"
    words = ["device", "doctor", NAME, "--target", "host", "--key", "pi", "--json", "--rpc"]
    assert run([*words, tracker]) == 7
    found = json.loads(capfd.readouterr().out)[-1]
    assert (found["need"], found["status"]) == ("rpc tracker", "fail")
    assert f"the tracker at {tracker} can't be reached" in found["detail"]
    assert run([*words, "nowhere"]) == 2


@pytest.mark.usefixtures("board_on_loopback")
def test_without_a_target_a_board_is_judged_as_an_arm_one(capfd: pytest.CaptureFixture[str]) -> None:
    is_arm = host_target().architecture == "aarch64"
    assert run(["device", "doctor", NAME, "--json"]) == (0 if is_arm else 7)
    status = {finding["need"]: finding["status"] for finding in json.loads(capfd.readouterr().out)}
    assert (status["reachable"], status["architecture"]) == ("ok", "ok" if is_arm else "fail")


def test_a_target_that_is_not_known_is_refused_before_the_board_is_asked(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["device", "doctor", "nobody@nowhere.invalid", "--target", "rpi9"]) == 6
    assert "no target is called" in capfd.readouterr().err
