"""TVM's runtime for a foreign CPU: fetched for the installed versions, kept whole or not at all."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.deploy.bundle import runtime_libraries
from rdpass.deploy.bundle.runtime_libraries import fetch_libraries, find_libraries
from rdpass.diagnosis import PINS
from rdpass.targets.lookup import Target


def _fake_pip(monkeypatch: pytest.MonkeyPatch, members: list[str], code: int = 0) -> list[list[str]]:
    """A pip that writes one wheel with ``members``; the commands it was given."""
    asked: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "one.whl", "w") as wheel:
            for member in members:
                wheel.writestr(member, member)
        return subprocess.CompletedProcess(command, code, "", "WARNING: x\nERROR: no such version\n")

    monkeypatch.setattr(runtime_libraries.subprocess, "run", run)
    return asked


BOTH = ["tvm/lib/libtvm_runtime.so", "tvm/lib/libtvm_compiler.so", "tvm_ffi/lib/libtvm_ffi.so"]


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    return Target("far", "farch64-linux-gnu", "generic", 1, ())


def test_fetching_keeps_only_the_runtime_of_the_installed_versions(
    foreign: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _fake_pip(monkeypatch, BOTH)
    fetch_libraries(foreign)
    (command,) = asked
    assert command[-2:] == [f"{name}=={number}" for name, number in PINS.items()]
    assert "manylinux_2_28_farch64" in command
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert sorted(path.name for path in kept) == ["libtvm_ffi.so", "libtvm_runtime.so"]
    assert find_libraries(foreign)[0].read_text() == BOTH[0]


@pytest.mark.parametrize(("members", "code", "reason"), [(BOTH, 1, "no such version"), (BOTH[:1], 0, "libtvm_ffi.so")])
def test_a_fetch_that_fails_leaves_nothing(
    foreign: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: list[str], code: int, reason: str
) -> None:
    _fake_pip(monkeypatch, members, code)
    with pytest.raises(TargetError, match=reason):
        fetch_libraries(foreign)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    with pytest.raises(TargetError, match="rdpass doctor --fetch-runtime far"):
        find_libraries(foreign)
