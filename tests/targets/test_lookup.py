"""Targets by their names, and this machine as one."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rdpass.deploy.lowering import tvm_target
from rdpass.targets import lookup
from rdpass.targets.lookup import PRESETS, all_targets, find_target, host_target
from rdpass.targets.toolchain import find_launcher


def test_every_preset_is_known_to_llvm() -> None:
    for target in all_targets():
        assert tvm_target(target).attrs["mcpu"] == target.cpu


def test_names_are_unique_and_found() -> None:
    assert len({target.name for target in all_targets()}) == len(PRESETS) + 1
    for target in all_targets():
        assert find_target(target.name) == target


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
