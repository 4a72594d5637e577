"""A network of a few small layers, and what has been tuned of it on this host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest

from rdpass.tuning import tuner
from tests.onnx.nets import Net

from .fleet import Fleet
from .made_up import MadeUp


def tiny_net(layers: int = 1) -> onnx.ModelProto:
    """3x3 layers that are alike, a pair of 1x1 layers, and a shortcut."""
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv("x0", 16, 16, 3))
    y = net.relu(net.conv(x, 16, 16, 3))
    for _ in range(layers):
        y = net.relu(net.conv(y, 16, 16, 3))
    z = net.conv(net.relu(net.conv(y, 16, 48)), 48, 16)
    return net.model(net.relu(net.add(z, x)))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MadeUp]:
    """Has ``tune`` use a measurer that makes its times up."""

    def use(**settings: object) -> MadeUp:
        measurer = MadeUp(**settings)  # type: ignore[arg-type]
        monkeypatch.setattr(tuner, "_measurer", lambda *arguments: measurer)
        return measurer

    return use


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A tracker without servers yet, of boards with the key ``here``."""
    made = Fleet(tmp_path, "here")
    yield made
    made.close()


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    onnx.save(tiny_net(), path)
    return path
