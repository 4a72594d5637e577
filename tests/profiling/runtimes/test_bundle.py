"""Ours as the others are: an inference of a bundle for this host."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rdpass.core.comparison import relative_error
from rdpass.deploy.bundle.building import compile
from rdpass.profiling.runtimes.bundle import load_bundle
from rdpass.profiling.runtimes.workload import Workload


def test_it_computes_what_torch_computes_again_and_again(work: Workload, tmp_path: Path) -> None:
    folder = compile(work.onnx, "host", tmp_path / "net.rdp", show_progress=False).folder
    inference = load_bundle(folder, work, 1)
    first = np.array(inference(work.x))
    assert relative_error(first, work.expected) < 1e-5
    assert relative_error(inference(work.x + 1), work.expected) > 1e-3
    assert np.array_equal(inference(work.x), first)
