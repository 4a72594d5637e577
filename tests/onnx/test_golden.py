"""Which numbers a build is compared with."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.core.errors import ConfigError
from rdpass.onnx.golden import find_golden, golden_path
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx


def _rewrite(path: Path, **changes: np.ndarray) -> Path:
    with np.load(path) as file:
        stored = {**file, **changes}
    np.savez(path, **stored)
    return path


def _beside(model: Path) -> Path:
    return model.with_suffix(".golden.npz")


def test_numbers_beside_the_model_are_torchs_own(model_with_golden: Path) -> None:
    golden = find_golden(read_onnx(model_with_golden))
    assert golden.source == "torch"
    assert np.all(golden.inputs[0] == 0.25)


def test_without_any_they_are_random_and_the_same_each_time(residual_onnx: Path) -> None:
    model = read_onnx(residual_onnx)
    first, second = find_golden(model), find_golden(model)
    assert first.source == "onnxruntime"
    assert 0.8 < first.inputs[0].std() < 1.2
    assert np.array_equal(first.inputs[0], second.inputs[0])
    assert np.array_equal(first.outputs[0], run_onnx(onnx.load(residual_onnx), second.inputs)[0])


def test_numbers_of_another_model_are_left_alone_with_a_warning(
    model_with_golden: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _rewrite(_beside(model_with_golden), onnx_sha256=np.array("0" * 64))
    with caplog.at_level(logging.WARNING, "rdpass"):
        assert find_golden(read_onnx(model_with_golden)).source == "onnxruntime"
    assert "belongs to another model" in caplog.text


def test_numbers_of_another_model_are_refused_if_asked_for(model_with_golden: Path) -> None:
    given = _rewrite(_beside(model_with_golden), onnx_sha256=np.array("0" * 64))
    with pytest.raises(ConfigError, match="belongs to another model"):
        find_golden(read_onnx(model_with_golden), given)


def test_numbers_of_another_shape_or_type_are_refused(model_with_golden: Path) -> None:
    given = _rewrite(_beside(model_with_golden), output_0=np.zeros((1, 4), np.float32))
    with pytest.raises(ConfigError, match="output_0 is not float32"):
        find_golden(read_onnx(model_with_golden), given)
    _rewrite(given, input_0=np.zeros((1, 3, 17, 15)))
    with pytest.raises(ConfigError, match="input_0 is not float32"):
        find_golden(read_onnx(model_with_golden), given)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 torn", b"not a zip at all"])
def test_a_missing_or_torn_file_is_refused(residual_onnx: Path, tmp_path: Path, content: bytes | None) -> None:
    given = tmp_path / "given.npz"
    if content is not None:
        given.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be read as golden numbers"):
        find_golden(read_onnx(residual_onnx), given)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_before_it_is(model_with_golden: Path) -> None:
    beside = _beside(model_with_golden)
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("input_0.npy", "w") as file:
        for _ in range(64):
            file.write(b"\0" * (1 << 20))
    assert beside.stat().st_size < 1 << 20
    with pytest.raises(ConfigError, match=r"unpacks to 67108864 bytes, and the model's inputs and outputs are \d+"):
        find_golden(read_onnx(model_with_golden), beside)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_place_without_a_name_has_no_golden_numbers_beside_it(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a file"):
        golden_path(Path(name))
