"""OpenVINO's CPU plugin, in float32, or in integers what the file quantises; tuned for latency."""

from __future__ import annotations

from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.profiling.runtimes.workload import Inference, Workload


def load_openvino(workload: Workload, threads: int) -> Inference:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core: Any = openvino.Core()
    compiled = core.compile_model(str(workload.onnx), "CPU", options)
    request = compiled.create_infer_request()

    def infer(x: Array) -> Array:
        return np.asarray(request.infer([x])[0])

    return infer
