"""ONNX Runtime, all graph optimisations on, its own kernels (MLAS); of quantised files, those of integers."""

from __future__ import annotations

from rdpass.core.comparison import Array
from rdpass.profiling.runtimes.workload import Inference, Workload


def load_onnxruntime(workload: Workload, threads: int) -> Inference:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL  # QDQ become integer kernels
    session = onnxruntime.InferenceSession(workload.onnx, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def infer(x: Array) -> Array:
        output: Array = session.run(None, {name: x})[0]
        return output

    return infer
