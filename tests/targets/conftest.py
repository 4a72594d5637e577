"""The model that bundles are built from serves here too."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rdpass.cli.app import run
from tests.deploy.conftest import (  # noqa: F401
    board,
    residual_onnx,
    two_by_two_onnx,
)


@pytest.fixture
def written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Path]:
    """The file that `rdpass targets --toml rpi4` prints, with lines changed (to nothing, where the value is None)."""

    def write(**changed: str | None) -> Path:
        assert run(["targets", "--toml", "rpi4"]) == 0
        lines = dict(line.split(" = ", 1) for line in capfd.readouterr().out.splitlines() if not line.startswith("#"))
        lines.update(changed)
        path = tmp_path / "board.toml"
        path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None))
        return path

    return write
