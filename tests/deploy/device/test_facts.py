"""Facts about a board, from what its words were printed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdpass.core.errors import DeviceError
from rdpass.deploy.device.facts import ask_board, read_facts
from rdpass.deploy.device.findings import judge
from rdpass.targets.lookup import find_target
from tests.deploy.device.boards import PI, pi


def test_a_raspberry_pi_4_is_read_as_one() -> None:
    facts = pi()
    assert (facts.machine, facts.bits, facts.glibc, facts.libstdcxx) == ("aarch64", 64, (2, 36), (6, 0, 30))
    assert (facts.cpus, facts.cores, facts.memory) == (("cortex-a72",), 4, 3301232 * 1024)
    assert (facts.disk, facts.throttled, facts.load) == (24773912 * 1024, 0, 0.04)
    statuses = {finding.need: finding.status for finding in judge("pi@pi4", facts, find_target("rpi4"))}
    assert {need for need, status in statuses.items() if status != "ok"} == {"governor"}


def test_odd_answers_are_no_crash() -> None:
    odd = {key: ["what?"] for key in PI}
    facts = read_facts({**odd, "part": ["", "0x"], "throttled": ["VCHI initialization failed"], "glibc": ["musl"]})
    assert (facts.glibc, facts.memory, facts.disk, facts.cpus) == ((), None, None, ("part ", "part 0x"))


def test_a_login_without_a_shell_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho This account is currently not available.\nexit 1\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DeviceError, match=r"no shell that answers: This account is currently not available"):
        ask_board("git@board")


@pytest.mark.parametrize(
    ("parts", "cores"),
    [(["0xd08"], ("cortex-a72",)), (["0xd03", "0xd08"], ("cortex-a53", "cortex-a72")), (["0xfff"], ("part 0xfff",))],
)
def test_cores_are_called_as_llvm_does_where_their_part_is_known(parts: list[str], cores: tuple[str, ...]) -> None:
    assert read_facts({**PI, "part": parts}).cpus == cores


def test_without_parts_the_models_name_is_the_core() -> None:
    assert read_facts({"model": ["Some CPU @ 2 GHz"]}).cpus == ("Some CPU @ 2 GHz",)


def test_of_several_libraries_the_newest_counts_by_numbers_and_not_by_letters() -> None:
    said = [f"/usr/lib/{place}/libstdc++.so.6.0.{minor}" for place, minor in (("a", 9), ("b", 30), ("c", 28))]
    assert read_facts({"libstdcxx": said}).libstdcxx == (6, 0, 30)


def test_what_a_board_does_not_say_is_none_or_empty() -> None:
    facts = read_facts({})
    assert (facts.machine, facts.bits, facts.glibc, facts.cores, facts.cpus) == ("", 0, (), 0, ())
    assert (facts.memory, facts.load, facts.throttled, facts.disk, facts.executable) == (None,) * 5
    assert (facts.features, facts.packages) == (frozenset(), {})


@pytest.mark.parametrize(
    "word", ["²", "9" * 5000, "-1", "0x", "0xzz", "nan", "inf", "1e999", "", " ", "\x1b[2J", "\u0661", "1_000"]
)
def test_what_a_board_prints_may_be_anything(word: str) -> None:
    keys = ("machine", "kernel", "bits", "glibc", "libstdcxx", "cores", "part", "features", "board", "memory", "load",
            "folder", "disk", "executable")  # fmt: skip
    facts = read_facts({key: [word, word] for key in keys} | {"throttled": [f"throttled={word}"]})
    assert facts.bits == 0
    assert (facts.memory, facts.load, facts.throttled) == (None, None, None)
    assert facts.glibc == ()
