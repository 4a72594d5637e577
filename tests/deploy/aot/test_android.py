"""Android: the library by any clang, a program where there is an NDK. No device and no NDK is at hand here.

AArch64 code is the same on either Linux, so the library is linked to glibc and run as a board's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run as rdpass
from rdpass.core.comparison import relative_error
from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import ANDROID_API, find_compiler, find_launcher

PHONE = find_target("android-arm64")
_NDK_BIN = Path("toolchains/llvm/prebuilt/linux-x86_64/bin")


@pytest.fixture(scope="module")
def phone_bundle(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    if not (shutil.which("clang++") and shutil.which("ld.lld")):
        pytest.skip("no clang")
    return compile(residual_onnx, PHONE, tmp_path_factory.mktemp("phone") / "net.rdp", runtime="none")


def _undefined(bundle: Bundle) -> set[str]:
    command = ["nm", "-u", str(bundle.folder / "librdpass_model.a")]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[-1] for line in lines if line and not line.endswith(":")}


def test_without_an_ndk_it_is_a_library_and_says_what_is_missing(phone_bundle: Bundle) -> None:
    manifest = open_sealed(phone_bundle.folder)
    assert manifest.runtime == "none"
    assert not (phone_bundle.folder / "run").exists()
    assert "./run" not in (phone_bundle.folder / "README.txt").read_text()
    assert [note.partition(":")[0] for note in manifest.notes] == ["no program ./run", "not run when it was built"]
    assert manifest.versions["compiler"].startswith("clang++ ")


def test_it_needs_nothing_but_memory_functions_and_the_loaders_own_thread_locals(phone_bundle: Bundle) -> None:
    assert _undefined(phone_bundle) <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
    assert f"--target=aarch64-linux-android{ANDROID_API}" in find_compiler(PHONE).options


def test_its_code_computes_what_the_model_computes(phone_bundle: Bundle, board: str, tmp_path: Path) -> None:
    compiler = find_compiler(find_target(board))
    folder = phone_bundle.folder
    words = ["-O1", "-static", f"-I{folder}", folder / "example.c", folder / "librdpass_model.a", "-lm"]
    subprocess.run([compiler.tool("gcc"), *map(str, words), "-o", tmp_path / "example"], check=True)
    given = np.load(folder / "golden/input_0.npy").tobytes()
    command = [*find_launcher(find_target(board)), tmp_path / "example"]
    written = subprocess.run(command, input=given, capture_output=True, check=True).stdout
    expected = np.load(folder / "golden/output_0.npy")
    assert relative_error(np.frombuffer(written, np.float32).reshape(expected.shape), expected) <= 1e-5


def test_what_can_t_be_run_here_says_so(phone_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert rdpass(["verify", str(phone_bundle.folder)]) == TargetError.exit_code
    assert "programs for Android don't run here" in capsys.readouterr().err


def test_there_is_no_virtual_machine_for_it(residual_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="--runtime none"):
        compile(residual_onnx, PHONE, tmp_path / "net.rdp")


def test_a_wrong_ndk_and_a_missing_clang_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RDPASS_NDK", str(tmp_path))
    with pytest.raises(TargetError, match=r"RDPASS_NDK is .*clang\+\+ is not there"):
        find_compiler(PHONE)
    monkeypatch.delenv("RDPASS_NDK")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="apt install clang lld, or name the Android NDK"):
        find_compiler(PHONE)


def test_with_an_ndk_there_is_a_program(
    residual_onnx: Path, board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The NDK is a folder with Debian's cross compiler under clang's name; what is tested is that it is asked."""
    tools = tmp_path / "ndk" / _NDK_BIN
    tools.mkdir(parents=True)
    cross = find_compiler(find_target(board))
    clangs_own = "--target=*|-fuse-ld=*|-fno-emulated-tls|-Wno-unused-command-line-argument"
    words = f'for w; do shift; case $w in {clangs_own}) ;; *) set -- "$@" "$w" ;; esac; done'
    (tools / "clang++").write_text(f'#!/bin/sh\n{words}\nexec {cross.command} "$@"\n')
    (tools / "clang++").chmod(0o755)
    for name in ("ar", "objcopy"):
        os.symlink(shutil.which(cross.tool(name)) or "", tools / f"llvm-{name}")
    monkeypatch.setenv("RDPASS_NDK", str(tmp_path / "ndk"))
    bundle = compile(residual_onnx, PHONE, tmp_path / "net.rdp", runtime="none")
    assert [note.partition(":")[0] for note in bundle.manifest.notes] == ["not run when it was built"]
    assert "./run --verify" in (bundle.folder / "README.txt").read_text()
    command = [*find_launcher(find_target(board)), bundle.folder / "run", "--verify"]
    subprocess.run(command, check=True, capture_output=True)
