"""ONNX Runtime as a runtime to compare with: its own kernels, as many threads as it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from rdpass.core.comparison import relative_error
from rdpass.profiling.runtimes.onnx_runtime import load_onnxruntime
from rdpass.profiling.runtimes.workload import Workload, workload
from tests.onnx.qdq import QdqNet


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


def test_a_quantised_file_runs_by_integer_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it makes of the file is written out and read: QLinearConv for Conv."""
    net = QdqNet((1, 8, 9, 9))
    onnx.save(net.model(net.quantised(net.layer(net.quantised("x0"), "Conv", (8, 8, 3, 3), 0))), tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession

    def write(model, options, **more):
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        return session(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", write)
    work = workload("a", tmp_path / "a.onnx", tmp_path)
    assert relative_error(load_onnxruntime(work, 1)(work.x), work.expected) < 2e-2
    operators = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "QLinearConv" in operators
    assert "Conv" not in operators
    assert (work.precision, work.theirs) == ("int8", "int8")
