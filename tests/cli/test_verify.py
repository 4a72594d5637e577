"""``rdpass verify``: an intact bundle, here or under the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run
from rdpass.deploy.bundle.building import Bundle


def test_a_board_bundle_runs_and_verifies_under_the_emulator(
    board_bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(board_bundle.folder)
    assert run(["verify", folder, "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["ok"]
    assert report["error"] <= 1e-5
    assert run(["run", folder, f"{folder}/golden/input_0.npy", "-o", str(tmp_path / "y.npy")]) == 0
    assert np.allclose(np.load(tmp_path / "y.npy"), np.load(f"{folder}/golden/output_0.npy"), rtol=1e-4)


def test_a_tolerance_of_ones_own_counts(host_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(host_bundle.folder), "--tolerance", "0.5"]) == 0
    assert "(tolerance 5e-01)" in capfd.readouterr().out
    assert run(["verify", str(host_bundle.folder), "--tolerance", "-1"]) == 2


def test_a_changed_byte_is_found_before_anything_has_run(
    spoiled: Callable[[], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = spoiled()
    (folder / "run").write_text("#!/bin/sh\ntouch ran\n")
    assert run(["verify", str(folder), "--json"]) == 8
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "run has changed" in shown.err
    assert not (folder / "ran").exists()
