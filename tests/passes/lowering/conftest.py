"""The model that bundles are built from serves here too."""

from pathlib import Path
from typing import Any

import pytest

from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import host_target
from tests.deploy.conftest import (  # noqa: F401
    residual_onnx,
)


@pytest.fixture
def target() -> Any:
    return host_target()


@pytest.fixture
def module(residual_onnx: Path) -> Any:  # noqa: F811
    return import_onnx(read_onnx(residual_onnx))
