"""What is said about a board, from what it says about itself."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import DeviceError
from rdpass.deploy.device.facts import BoardFacts, ask_board, read_facts
from rdpass.deploy.device.findings import BoardFinding, judge
from rdpass.targets.lookup import find_target, host_target
from tests.deploy.device.loopback import NAME

PI = {
    "machine": ["aarch64"],
    "kernel": ["Linux 6.1.21-v8+"],
    "bits": ["64"],
    "glibc": ["glibc 2.36"],
    "libstdcxx": ["/usr/lib/aarch64-linux-gnu/libstdc++.so.6.0.30"],
    "cores": ["4"],
    "part": ["0xd08"],
    "features": ["fp asimd evtstrm crc32 cpuid"],
    "board": ["Raspberry Pi 4 Model B Rev 1.4"],
    "governor": ["ondemand"],
    "memory": ["3301232 kB"],
    "load": ["0.04"],
    "throttled": ["throttled=0x0"],
    "folder": ["/tmp"],
    "disk": ["/dev/root 30358488 4310420 24773912 15% /"],
    "executable": ["yes"],
    "end": [""],
}


def _pi(**changes: object) -> BoardFacts:
    return replace(read_facts(PI), **changes)  # type: ignore[arg-type]


def _finding(need: str, facts: BoardFacts, target: str | None = "rpi4") -> BoardFinding:
    findings = judge("pi@pi4", facts, find_target(target) if target else None)
    return next(finding for finding in findings if finding.need == need)


def test_a_raspberry_pi_4_is_read_as_one() -> None:
    facts = _pi()
    assert (facts.machine, facts.bits, facts.glibc, facts.libstdcxx) == ("aarch64", 64, (2, 36), (6, 0, 30))
    assert (facts.cpus, facts.cores, facts.memory) == (("cortex-a72",), 4, 3301232 * 1024)
    assert (facts.disk, facts.throttled, facts.load) == (24773912 * 1024, 0, 0.04)
    statuses = {finding.need: finding.status for finding in judge("pi@pi4", facts, find_target("rpi4"))}
    assert {need for need, status in statuses.items() if status != "ok"} == {"governor"}


@pytest.mark.parametrize(
    ("need", "changes", "status", "remedy"),
    [
        ("architecture", {"machine": "armv7l"}, "fail", "compile for the board's own"),
        ("architecture", {"bits": 32}, "fail", "install the 64-bit system"),
        ("glibc", {"glibc": (2, 26)}, "fail", "a newer system, or a bundle built with --runtime none"),
        ("glibc", {"glibc": (2, 27)}, "ok", ""),
        ("glibc", {"glibc": ()}, "warn", "--runtime none"),
        ("libstdc++", {"libstdcxx": (6, 0, 23)}, "fail", "GCC 7's or newer"),
        ("libstdc++", {"libstdcxx": ()}, "warn", "apt install libstdc++6"),
        ("cpu", {"cpus": ("cortex-a53",)}, "warn", "rpi4 is tuned for cortex-a72"),
        ("cpu features", {"features": frozenset({"fp"})}, "fail", "compile for a target without"),
        ("cpu features", {"features": frozenset()}, "warn", "./run --info"),
        ("tools", {"absent": ("timeout",)}, "warn", "rdpass bench --on"),
        ("disk", {"executable": False}, "fail", "not mounted noexec"),
        ("disk", {"disk": 50 << 20}, "warn", "make room"),
        ("memory", {"memory": 100 << 20}, "warn", "stop what else runs"),
        ("governor", {"governors": ("performance",)}, "ok", ""),
        ("governor", {"governors": ("performance", "powersave")}, "warn", "echo performance"),
        ("throttling", {"throttled": 0x50005}, "warn", "under-voltage"),
        ("throttling", {"throttled": 0x80000}, "warn", "too hot"),
        ("throttling", {"throttled": None}, "ok", ""),
        ("tvm in python", {"packages": {"apache-tvm": "0.1"}}, "warn", "pip install apache-tvm=="),
        ("tvm in python", {"packages": {}}, "ok", ""),
        ("load", {"load": 3.5}, "warn", "something else runs"),
    ],
)
def test_what_is_wrong_with_a_board_is_said_with_its_remedy(
    need: str, changes: dict[str, object], status: str, remedy: str
) -> None:
    found = _finding(need, _pi(**changes))
    assert found.status == status
    assert remedy in found.remedy
    assert (found.remedy == "") == (remedy == "")


def test_a_feature_that_the_target_uses_and_the_board_lacks_is_named() -> None:
    assert _finding("cpu features", _pi(), "rpi5").detail.startswith("missing: asimddp asimdhp")


def test_without_a_target_those_with_such_a_core_are_named() -> None:
    assert _finding("cpu", _pi(), None).detail == "cortex-a72; targets with such cores: rpi4, rk3399"
    assert _finding("cpu", _pi(cpus=("part 0xfff",)), None).remedy == "compile for generic-armv8a"
    assert _finding("cpu features", _pi(), None).status == "ok"


def test_a_board_that_says_next_to_nothing_is_no_crash() -> None:
    findings = judge("pi@pi4", read_facts({"end": [""]}), find_target("rpi4"))
    assert {finding.need for finding in findings if finding.status == "fail"} == {"architecture"}


def test_odd_answers_are_no_crash() -> None:
    odd = {key: ["what?"] for key in PI}
    facts = read_facts({**odd, "part": ["", "0x"], "throttled": ["VCHI initialization failed"], "glibc": ["musl"]})
    assert (facts.glibc, facts.memory, facts.disk, facts.cpus) == ((), None, None, ("part ", "part 0x"))


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


def test_a_login_without_a_shell_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho This account is currently not available.\nexit 1\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeviceError, match=r"no shell that answers: This account is currently not available"):
        ask_board("git@board")
