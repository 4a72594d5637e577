"""An ONNX model's files, so that none of them is written over."""

from pathlib import Path

import onnx

from rdpass.onnx.model_files import model_files
from tests.deploy.conftest import residual_net


def test_weights_that_lie_outside_are_named(tmp_path: Path) -> None:
    place = tmp_path / "net.onnx"
    onnx.save(residual_net(), place)
    assert model_files(place) == (place,)
    onnx.save(residual_net(), place, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert model_files(place) == (place, tmp_path / "weights.bin")


def test_a_file_that_is_no_model_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\xff" * 50)
    for name in ("net.onnx", "none.onnx"):
        assert model_files(tmp_path / name) == (tmp_path / name,)
