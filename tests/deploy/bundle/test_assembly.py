"""The files of a bundle: golden numbers under names that the manifest tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from rdpass.deploy.bundle.assembly import golden_files
from rdpass.deploy.bundle.building import Bundle
from rdpass.onnx.golden import Golden
from rdpass.onnx.oracle import run_onnx


def test_golden_files_are_counted_and_hold_what_the_model_computes(host_bundle: Bundle, residual_onnx: Path) -> None:
    manifest = host_bundle.manifest
    inputs, outputs = (
        [np.load(host_bundle.folder / name) for name in manifest.golden[kind]] for kind in ("inputs", "outputs")
    )
    assert host_bundle.manifest.golden["inputs"] == ["golden/input_0.npy"]
    (wanted,) = run_onnx(onnx.load(residual_onnx), inputs)
    assert np.allclose(outputs[0], wanted, atol=1e-4)


def test_names_are_those_of_as_many_inputs_and_outputs() -> None:
    golden = Golden((np.zeros(2), np.ones(3)), (np.zeros(1),), "nobody")
    assert golden_files(golden) == {
        "inputs": ["golden/input_0.npy", "golden/input_1.npy"], "outputs": ["golden/output_0.npy"],
    }  # fmt: skip
