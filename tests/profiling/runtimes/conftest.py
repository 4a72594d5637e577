"""A small residual network as other runtimes are given it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from rdpass.profiling.runtimes.workload import Workload, workload
from tests.deploy.conftest import residual_net


@pytest.fixture
def work(tmp_path: Path) -> Workload:
    onnx.save(residual_net(), tmp_path / "net.onnx")
    return workload("net", tmp_path / "net.onnx", tmp_path / "kept")
