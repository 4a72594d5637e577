"""OpenVINO as it is asked: float32, one stream, as many threads as it is told. The package itself is not needed."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rdpass.core.comparison import relative_error
from rdpass.profiling.runtimes.openvino_model import load_openvino
from rdpass.profiling.runtimes.workload import Workload


def test_it_is_compiled_for_latency_in_float32_on_so_many_threads(
    work: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def compile_model(*arguments: Any) -> Any:
        asked.append(arguments)
        return SimpleNamespace(create_infer_request=lambda: SimpleNamespace(infer=lambda given: {0: given[0].sum()}))

    core = SimpleNamespace(compile_model=compile_model)
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    inference = load_openvino(work, 3)
    assert inference(work.x) == work.x.sum()
    assert isinstance(inference(work.x), np.ndarray)
    ((model, device, options),) = asked
    assert (model, device) == (str(work.onnx), "CPU")
    assert options == {
        "INFERENCE_NUM_THREADS": 3, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
    }  # fmt: skip


def test_where_it_is_installed_it_computes_what_torch_computes(work: Workload) -> None:
    pytest.importorskip("openvino", exc_type=ImportError)
    assert relative_error(load_openvino(work, 1)(work.x), work.expected) < 1e-4


def test_without_the_package_it_says_which(work: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModuleNotFoundError, match="openvino"):
        load_openvino(work, 1)
