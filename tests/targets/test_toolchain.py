"""Compilers and emulators for a target, found on the PATH or named with what to install."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.targets.lookup import Target, find_target, host_target
from rdpass.targets.toolchain import ANDROID_API, Compiler, emulated_core, find_compiler, find_launcher


def test_a_core_that_the_emulator_does_not_know_is_emulated_with_every_feature(tmp_path: Path) -> None:
    emulator = tmp_path / "emulator"
    emulator.write_text("#!/bin/sh\necho cortex-a53 cortex-a72 max\n")
    emulator.chmod(0o755)
    board = find_target("rpi4")
    assert emulated_core(str(emulator), board) == "cortex-a72"
    assert emulated_core(str(emulator), find_target("generic-armv8a")) == "cortex-a53"
    assert emulated_core(str(emulator), Target("new", board.triple, "cortex-a999", 4, ())) == "max"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of made-up programs alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("RDPASS_NDK", raising=False)
    return folder


def program(path: Path, answer: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {answer}\n")
    path.chmod(0o755)
    return path


FOREIGN = Target("far", "farch64-linux-gnu", "some-core", 1, ())


def test_a_compiler_is_called_after_the_targets_triple_and_tells_its_version(programs: Path) -> None:
    command = program(programs / "farch64-linux-gnu-g++", "13.2.0")
    found = find_compiler(FOREIGN)
    assert found == Compiler(str(command), "farch64-linux-gnu-g++ 13.2.0")
    assert found.call == (str(command),)


def test_a_compiler_that_is_missing_is_named_with_its_package(programs: Path) -> None:
    with pytest.raises(TargetError, match=r"no C\+\+ compiler for far: .* apt install g\+\+-farch64-linux-gnu"):
        find_compiler(FOREIGN)
    with pytest.raises(TargetError, match=r"g\+\+ is not on the PATH; apt install g\+\+$"):
        find_compiler(host_target())


def test_tools_of_the_same_collection_lie_beside_the_compiler_or_are_asked_for(programs: Path) -> None:
    compiler = Compiler(str(program(programs / "farch64-linux-gnu-g++", "/elsewhere/objcopy")), "")
    assert compiler.tool("objcopy") == "/elsewhere/objcopy"
    beside = program(programs / "farch64-linux-gnu-objcopy", "")
    assert compiler.tool("objcopy") == str(beside)
    clang = Compiler(str(program(programs / "clang++", "")), "")
    assert clang.tool("objcopy") == "llvm-objcopy"


def test_for_android_any_clang_makes_libraries_and_the_ndks_makes_programs(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    android = find_target("android-arm64")
    with pytest.raises(TargetError, match=r"clang\+\+ is not on the PATH; apt install clang lld"):
        find_compiler(android)
    program(programs / "clang++", "17.0.1")
    found = find_compiler(android)
    assert (found.version, found.links) == ("clang++ 17.0.1", False)
    assert found.options[0] == f"--target=aarch64-linux-android{ANDROID_API}"
    monkeypatch.setenv("RDPASS_NDK", str(tmp_path / "ndk"))
    with pytest.raises(TargetError, match=r"RDPASS_NDK is .*ndk, and toolchains/.* is not there"):
        find_compiler(android)
    own = program(tmp_path / "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/clang++", "18")
    found = find_compiler(android)
    assert (found.command, found.links) == (str(own), True)


def test_programs_for_this_machine_need_nothing_before_them_and_androids_do_not_run(programs: Path) -> None:
    assert find_launcher(host_target()) == ()
    with pytest.raises(TargetError, match="push what was built for android-arm64 to a device"):
        find_launcher(find_target("android-arm64"))


def test_an_emulator_is_found_with_libc_named_or_what_is_missing_is(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QEMU_LD_PREFIX", raising=False)
    with pytest.raises(TargetError, match="no emulator for far: qemu-farch64 is not on the PATH"):
        find_launcher(FOREIGN)
    emulator = program(programs / "qemu-farch64-static", "some-core max")
    with pytest.raises(TargetError, match=r"no C\+\+ library for far; apt install g\+\+-farch64-linux-gnu"):
        find_launcher(FOREIGN)
    monkeypatch.setenv("QEMU_LD_PREFIX", "/somewhere")
    assert find_launcher(FOREIGN) == (str(emulator), "-cpu", "some-core")
    assert find_launcher(replace(FOREIGN, cpu="unheard-of"))[2] == "max"
