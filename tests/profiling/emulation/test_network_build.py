"""A network as a folder that the emulator runs: built once, whoever asks, and forgotten when it is old."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rdpass
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.workload import Convolution
from rdpass.onnx.source import read_onnx
from rdpass.profiling.emulation import network_build
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import find_compiler
from tests.deploy.conftest import two_by_two_net


def test_two_that_want_the_same_network_at_once_build_it_once(
    llvm: None, runtime: None, rpi4: Target, residual_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, made = network_build.build, []

    def building(*arguments: Any) -> Any:
        made.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(network_build, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(network_build, "build", building)

    def found(_: int) -> Any:
        with network_build.built_network(read_onnx(residual_onnx), rpi4) as network:
            return network

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(found, range(2))
    assert first == second
    assert len(made) == 1
    assert (first[0] / "driver").exists()


def test_the_key_changes_with_the_model_the_target_and_the_tiles(residual_onnx: Path, rpi4: Target) -> None:
    source, compiler = read_onnx(residual_onnx), find_compiler(rpi4)
    other = read_onnx(two_by_two_net())
    work = Convolution(1, 8, 8, 9, 8, (1, 1))
    keys = [
        network_build._digest(source, rpi4, compiler, {}, "float32"),
        network_build._digest(other, rpi4, compiler, {}, "float32"),
        network_build._digest(source, replace(rpi4, cores=2), compiler, {}, "float32"),
        network_build._digest(source, rpi4, compiler, {work: PointwiseTile()}, "float32"),
        network_build._digest(source, rpi4, compiler, {work: PointwiseTile(4)}, "float32"),
        network_build._digest(source, rpi4, compiler, {}, "fp16"),
        network_build._digest(source, rpi4, compiler, {}, "float32", "size"),
    ]
    assert len(set(keys)) == len(keys)
    assert network_build._digest(read_onnx(residual_onnx), rpi4, compiler, {}, "float32") == keys[0]


def test_what_was_used_last_is_kept(tmp_path: Path) -> None:
    for number in range(network_build._KEPT + 3):
        folder = tmp_path / f"network_{number:02}"
        folder.mkdir()
        (tmp_path / f".network_{number:02}.lock").touch()
        os.utime(folder, (number, number))
    os.utime(tmp_path / "network_00", (99, 99))
    network_build._forget_oldest(tmp_path)
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left == {"network_00", *(f"network_{number:02}" for number in range(4, network_build._KEPT + 3))}
    assert {path.name for path in tmp_path.glob(".*.lock")} == {f".{name}.lock" for name in left}


def test_what_is_in_use_is_kept_however_old_it_is(tmp_path: Path) -> None:
    for number in range(network_build._KEPT + 2):
        (tmp_path / f"network_{number:02}").mkdir()
        os.utime(tmp_path / f"network_{number:02}", (number, number))
    with (tmp_path / ".network_00.lock").open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        network_build._forget_oldest(tmp_path)
        assert (tmp_path / "network_00").exists()
        assert not (tmp_path / "network_01").exists()
    network_build._forget_oldest(tmp_path)
    assert not (tmp_path / "network_00").exists()


def test_all_code_that_decides_what_is_built_counts() -> None:
    package = Path(rdpass.__file__).parent
    read = set(network_build._sources(package))
    assert {package / "deploy" / "lowering.py", package / "targets" / "isa.py"} <= read
    assert package / "passes" / "lowering" / "pipeline.py" in {*network_build._sources(package / "passes")}
    assert not [path for path in read if path.suffix == ".pyc"]
