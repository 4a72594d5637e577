"""ONNX Runtime as a runtime to compare with: its own kernels, as many threads as it is told."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from rdpass.core.comparison import relative_error
from rdpass.profiling.runtimes.onnx_runtime import load_onnxruntime
from rdpass.profiling.runtimes.workload import Workload


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_what_torch_computes_on_so_many_threads(
    work: Workload, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    session = onnxruntime.InferenceSession

    def remember(model, options, **more):
        asked.append((options.intra_op_num_threads, options.inter_op_num_threads, options.graph_optimization_level))
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", remember)
    inference = load_onnxruntime(work, threads)
    assert relative_error(inference(work.x), work.expected) < 1e-5
    assert np.array_equal(inference(work.x), inference(work.x))
    assert asked == [(threads, 1, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)]
