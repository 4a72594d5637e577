"""Faults of the commands from ONNX to a checked bundle: one line on stderr and the exit code of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.manifest import seal


def _one_line(capfd: pytest.CaptureFixture[str]) -> str:
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("rdpass: ")
    assert shown.err.count("\n") == 1
    return shown.err


def test_every_fault_ends_with_its_own_exit_code_and_one_line(
    residual_onnx: Path,
    host_bundle: Bundle,
    spoiled: Callable[[], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, model = str(host_bundle.folder), str(residual_onnx)
    golden = f"{folder}/golden/input_0.npy"
    changed = spoiled()
    (changed / "model.so").write_bytes(b"x")
    wrong = spoiled()
    np.save(wrong / "golden/output_0.npy", np.ones((1, 5), np.float32))
    seal(wrong, host_bundle.manifest)
    np.save(tmp_path / "wrong.npy", np.zeros((1, 3, 5, 5), np.float32))
    np.save(tmp_path / "there.npy", np.zeros(1))
    mine = str(shutil.copy(golden, tmp_path / "mine.npy"))
    written_into = spoiled()
    np.save(written_into / "y.npy", np.zeros(1))
    for arguments, code, reason in (
        (["compile", model, "--target", "rpi9", "-o", str(tmp_path / "n")], 6, "no target is called"),
        (["compile", model, "-o", folder], 2, "exists already"),
        (["compile", str(tmp_path / "none.onnx"), "-o", str(tmp_path / "n")], 2, "can't be read"),
        (["verify", str(changed)], 8, "model.so has changed"),
        (["run", str(changed), golden], 8, "model.so has changed"),
        (["verify", str(tmp_path)], 8, "is not a bundle"),
        (["verify", str(wrong)], 4, "differs by"),
        (["run", folder, golden, golden], 2, "2 inputs given"),
        (["run", folder, str(tmp_path / "wrong.npy")], 2, "was given float32 (1, 3, 5, 5)"),
        (["run", folder, str(changed / "model.so")], 2, "can't be read as an .npy file"),
        (["run", folder, golden, "-o", str(tmp_path / "there.npy")], 2, "exists already"),
        (["run", folder, golden, "-o", "a.npy", "-o", "b.npy"], 2, "2 files to write"),
        (["run", folder, mine, "-o", mine, "--force"], 2, "is an input of this command"),
        (["run", folder, golden, "-o", golden, "--force"], 2, "lies in the bundle"),
        (["run", folder, mine, "-o", "/dev/null", "--force"], 2, "is a device"),
        (["compile", model, "-o", str(residual_onnx.parent), "--force"], 2, "holds"),
        (["compile", model, "-o", str(tmp_path), "--force"], 2, "is no output of this command"),
        (["compile", model, "-o", str(written_into), "--force"], 2, "holds y.npy, which rdpass did not write"),
        (["compile", model, "--golden", golden, "-o", folder, "--force"], 2, "an input of this command"),
        (["doctor", "--fetch-runtime", "rpi9"], 6, "no target is called"),
    ):
        assert run(arguments) == code, arguments
        assert reason in _one_line(capfd)
