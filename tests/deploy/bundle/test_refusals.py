"""What compile refuses, what it leaves behind when it fails (nothing), and that the cheap refusals come first."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rdpass.core.errors import ConfigError, DeviceError, ParityError, TargetError
from rdpass.deploy.bundle import building
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.deploy.lowering import Lowered
from rdpass.targets.lookup import Target


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "build", lambda *arguments: pytest.fail("the slow part began"))


@pytest.mark.usefixtures("nothing_is_built")
def test_an_unknown_target_is_refused_with_the_known_ones(residual_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"no target is called 'rpi9'; known are host, .*rpi4"):
        compile(residual_onnx, "rpi9", tmp_path / "net.rdp")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_cpu_that_llvm_does_not_know_is_refused(residual_onnx: Path, tmp_path: Path) -> None:
    mine = Target("mine", f"{os.uname().machine}-linux-gnu", "cortex-a999", 4, ())
    with pytest.raises(TargetError, match="LLVM knows no CPU 'cortex-a999'"):
        compile(residual_onnx, mine, tmp_path / "net.rdp")


@pytest.mark.usefixtures("nothing_is_built")
def test_an_existing_place_is_refused_without_force(residual_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="exists already"):
        compile(residual_onnx, out=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "kept"


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_is_refused(residual_onnx: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="can't be written"):
        compile(residual_onnx, out=tmp_path / "net.rdp")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_place_below_a_file_is_refused(residual_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"):
        compile(residual_onnx, out=tmp_path / "file" / "net.rdp")


def test_a_place_that_nobody_can_write_is_refused(residual_onnx: Path) -> None:
    with pytest.raises(ConfigError, match="can't be written"):
        compile(residual_onnx, out="/proc/net.rdp")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_missing_compiler_is_refused_with_the_package_that_has_it(
    residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    for target, package in (("host", r"apt install g\+\+$"), ("rpi4", r"apt install g\+\+-aarch64-linux-gnu")):
        with pytest.raises(TargetError, match=package):
            compile(residual_onnx, target, tmp_path / "net.rdp")


@pytest.mark.usefixtures("nothing_is_built", "board")
def test_a_missing_runtime_is_refused_with_the_command_that_fetches_it(
    residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "empty"))
    with pytest.raises(TargetError, match=r"libtvm_runtime.so for aarch64 .*rdpass doctor --fetch-runtime rpi4"):
        compile(residual_onnx, "rpi4", tmp_path / "net.rdp")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_bad_model_is_refused(dynamic_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not take inputs of the size x=1x4x17x15.*--input"):
        compile(dynamic_onnx, out=tmp_path / "net.rdp", example="1x4x17x15")
    with pytest.raises(ConfigError, match="can't be read"):
        compile(tmp_path / "none.onnx", out=tmp_path / "net.rdp")


@pytest.mark.parametrize("step", ["assemble", "execute", "seal"])
def test_nothing_is_left_of_a_build_that_fails_in_the_middle(
    residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(folder: Path, *more: object, **options: object) -> None:
        (folder / "half").write_text("written")
        raise DeviceError("no more")

    if step != "assemble":
        monkeypatch.setattr(building, "assemble", lambda *arguments: None)
    monkeypatch.setattr(building, step, fail)
    with pytest.raises(DeviceError, match="no more"):
        compile(residual_onnx, out=tmp_path / "net.rdp")
    assert list(tmp_path.iterdir()) == []


def test_an_old_bundle_survives_a_forced_build_that_fails(
    residual_onnx: Path, host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "net.rdp"
    shutil.copytree(host_bundle.folder, old)
    monkeypatch.setattr(building, "assemble", lambda *arguments: (_ for _ in ()).throw(TargetError("no more")))
    with pytest.raises(TargetError, match="no more"):
        compile(residual_onnx, out=old, force=True)
    assert open_sealed(old) == host_bundle.manifest
    assert list(tmp_path.iterdir()) == [old]


def test_force_replaces_what_was_there(two_by_two_onnx: Path, host_bundle: Bundle, tmp_path: Path) -> None:
    old = tmp_path / "net.rdp"
    shutil.copytree(host_bundle.folder, old)
    new = compile(two_by_two_onnx, out=old, force=True)
    assert open_sealed(old) == new.manifest != host_bundle.manifest


def test_a_build_that_computes_something_else_is_refused(
    residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(lowered: Lowered, inputs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
        return tuple(output * np.float32(1.001) for output in real(lowered, inputs))

    real = building.run_here
    monkeypatch.setattr(building, "run_here", off)
    with pytest.raises(ParityError, match=r"tvm-host: output 0 differs by 0\.001"):
        compile(residual_onnx, out=tmp_path / "net.rdp")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_is_named(residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "g++"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n[ \"$1\" = -dumpfullversion ] && echo 0.1 && exit\necho 'error: no space' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    assert subprocess.run([fake], check=False, capture_output=True).returncode == 1
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    with pytest.raises(TargetError, match=r"g\+\+ 0.1 could not link model.so"):
        compile(residual_onnx, out=tmp_path / "net.rdp")
    assert not (tmp_path / "net.rdp").exists()
