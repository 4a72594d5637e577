"""ncnn: converted once by pnnx in float32, every reduced precision off, as many threads as it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError
from rdpass.profiling.runtimes import ncnn_net
from rdpass.profiling.runtimes.ncnn_net import load_ncnn
from rdpass.profiling.runtimes.workload import Workload


class Net:
    """Doubles its input, and remembers what it was told."""

    def __init__(self) -> None:
        self.opt = SimpleNamespace(use_fp16_storage=True)
        self.loaded: list[str] = []
        self.load_param = self.load_model = self.loaded.append

    def input_names(self) -> list[str]:
        return ["in0"]

    def output_names(self) -> list[str]:
        return ["out0"]

    def create_extractor(self) -> Any:
        given: dict[str, Any] = {}
        return SimpleNamespace(input=given.__setitem__, extract=lambda name: (0, 2 * given["in0"]))


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> list[Net]:
    """The networks that were made by an ncnn that is made up."""
    made: list[Net] = []
    fake = SimpleNamespace(Net=lambda: made.append(Net()) or made[-1], Mat=np.array)
    monkeypatch.setitem(sys.modules, "ncnn", fake)
    monkeypatch.setitem(sys.modules, "pnnx", SimpleNamespace(EXEC_PATH="pnnx"))
    monkeypatch.setattr(ncnn_net, "version", lambda name: {"pnnx": "2025"}[name])
    return made


def converting(monkeypatch: pytest.MonkeyPatch, code: int = 0) -> list[list[str]]:
    commands: list[list[str]] = []

    def run(command: list[str], cwd: str, **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        assert Path(command[1]).parent == Path(cwd)  # a copy: pnnx leaves files beside it
        for word in command:
            if word.startswith(("ncnnparam=", "ncnnbin=")) and not code:
                Path(word.partition("=")[2]).write_text(word.partition("=")[0])
        return subprocess.CompletedProcess(command, code, "", "layer Max not supported")

    monkeypatch.setattr(ncnn_net.subprocess, "run", run)
    return commands


def test_it_is_converted_once_and_runs_without_reduced_precision(
    work: Workload, nets: list[Net], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = converting(monkeypatch)
    for threads in (1, 3):
        inference = load_ncnn(work, threads)
        assert np.array_equal(inference(work.x), 2 * work.x)
        assert nets[-1].opt.num_threads == threads
        assert not any(getattr(nets[-1].opt, name) for name in ncnn_net._REDUCED)
    (command,) = commands
    assert {"inputshape=[1,3,17,15]", "fp16=0"} <= set(command)
    assert nets[0].loaded == nets[1].loaded == [str(work.kept(f"ncnn.{kind}", "2025")) for kind in ("param", "bin")]
    assert [Path(path).read_text() for path in nets[0].loaded] == ["ncnnparam", "ncnnbin"]


def test_a_conversion_that_fails_says_why_and_leaves_nothing(
    work: Workload, nets: list[Net], monkeypatch: pytest.MonkeyPatch
) -> None:
    converting(monkeypatch, code=1)
    with pytest.raises(ConfigError, match="pnnx could not convert it: layer Max not supported"):
        load_ncnn(work, 1)
    assert nets == []
    assert list(work.folder.iterdir()) == []


def test_where_it_is_installed_it_computes_what_torch_computes(work: Workload) -> None:
    for package in ("ncnn", "pnnx"):
        pytest.importorskip(package, exc_type=ImportError)
    assert relative_error(load_ncnn(work, 1)(work.x), work.expected) < 1e-4
