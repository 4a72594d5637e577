"""What is said about a board, from what it says about itself."""

from __future__ import annotations

import pytest

from rdpass.deploy.device.facts import BoardFacts, read_facts
from rdpass.deploy.device.findings import BoardFinding, judge
from rdpass.targets.lookup import find_target
from tests.deploy.device.boards import pi


def _finding(need: str, facts: BoardFacts, target: str | None = "rpi4") -> BoardFinding:
    findings = judge("pi@pi4", facts, find_target(target) if target else None)
    return next(finding for finding in findings if finding.need == need)


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
    found = _finding(need, pi(**changes))
    assert found.status == status
    assert remedy in found.remedy
    assert (found.remedy == "") == (remedy == "")


def test_a_feature_that_the_target_uses_and_the_board_lacks_is_named() -> None:
    assert _finding("cpu features", pi(), "rpi5").detail.startswith("missing: asimddp asimdhp")


def test_without_a_target_those_with_such_a_core_are_named() -> None:
    assert _finding("cpu", pi(), None).detail == "cortex-a72; targets with such cores: rpi4, rk3399"
    assert _finding("cpu", pi(cpus=("part 0xfff",)), None).remedy == "compile for generic-armv8a"
    assert _finding("cpu features", pi(), None).status == "ok"


def test_a_board_that_says_next_to_nothing_is_no_crash() -> None:
    findings = judge("pi@pi4", read_facts({"end": [""]}), find_target("rpi4"))
    assert {finding.need for finding in findings if finding.status == "fail"} == {"architecture"}
