"""Files of the size that a bundle was built for."""

from __future__ import annotations

from pathlib import Path

import onnx

from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.pinned_file import pinned_file


def test_a_file_of_that_size_is_taken_itself_and_another_copied(dynamic_onnx: Path, tmp_path: Path) -> None:
    copy = pinned_file(dynamic_onnx, [TensorSpec("x", (2, 3, 17, 15), "float32")], tmp_path / "kept")
    assert copy.parent == tmp_path / "kept"
    assert [d.dim_value for d in onnx.load(copy).graph.input[0].type.tensor_type.shape.dim] == [2, 3, 17, 15]
    assert pinned_file(copy, [TensorSpec("x", (2, 3, 17, 15), "float32")], tmp_path / "none") == copy
    assert not (tmp_path / "none").exists()
