"""MNN: the model is converted once for each version, at high precision, and a failed conversion says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError
from rdpass.profiling.runtimes import mnn_session
from rdpass.profiling.runtimes.mnn_session import load_mnn
from rdpass.profiling.runtimes.workload import Workload


def converting(monkeypatch: pytest.MonkeyPatch, code: int = 0, said: str = "") -> list[list[str]]:
    """Has a made-up converter run in the place of MNN's."""
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if not code:
            Path(command[command.index("--MNNModel") + 1]).write_bytes(b"converted")
        return subprocess.CompletedProcess(command, code, "", said)

    monkeypatch.setattr(mnn_session, "version", lambda name: {"MNN": "3.1"}[name])
    monkeypatch.setattr(mnn_session.subprocess, "run", run)
    return commands


def test_a_model_is_converted_once(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = converting(monkeypatch)
    place = mnn_session._converted(work)
    assert place == work.kept("model.mnn", "3.1")
    assert mnn_session._converted(work) == place
    ((python, isolated, _, code, *words),) = commands
    assert (python, isolated) == (sys.executable, "-P")
    assert "_tools.mnnconvert" in code
    assert words[:4] == ["-f", "ONNX", "--modelFile", str(work.onnx)]


def test_another_version_converts_anew(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = converting(monkeypatch)
    first = mnn_session._converted(work)
    monkeypatch.setattr(mnn_session, "version", lambda name: "3.2")
    assert mnn_session._converted(work) != first
    assert len(commands) == 2


def test_a_conversion_that_fails_says_why_and_is_tried_again(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = converting(monkeypatch, code=1, said="operator Max is not known")
    for _ in range(2):
        with pytest.raises(ConfigError, match="mnnconvert could not convert it: operator Max is not known"):
            mnn_session._converted(work)
    assert len(commands) == 2


def test_where_it_is_installed_it_computes_what_torch_computes(work: Workload) -> None:
    pytest.importorskip("MNN", exc_type=ImportError)
    assert relative_error(load_mnn(work, 1)(work.x), work.expected) < 1e-4


def test_without_the_package_it_says_which(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MNN", None)
    with pytest.raises(ModuleNotFoundError, match="MNN"):
        load_mnn(work, 1)
