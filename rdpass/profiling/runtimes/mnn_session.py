"""MNN, from its own converter, at its high precision (float32)."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.profiling.runtimes.workload import Inference, Workload

# Not the package's own script: it installs a logging library into this environment, other versions of what that needs
# included, and reports each conversion to its authors.
_CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"


def load_mnn(workload: Workload, threads: int) -> Inference:
    import MNN

    if not workload.x.dtype == workload.expected.dtype == FLOAT32:
        raise ConfigError("MNN is compared on networks whose inputs and outputs are floats")
    interpreter: Any = MNN.Interpreter(str(_converted(workload)))
    session = interpreter.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
    source, sink = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    shape = workload.expected.shape
    result = np.zeros(shape, FLOAT32)

    def tensor(array: Array) -> Any:
        return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array.ravel(), MNN.Tensor_DimensionType_Caffe)

    def infer(x: Array) -> Array:
        source.copyFrom(tensor(x))
        interpreter.runSession(session)
        host = tensor(result)
        sink.copyToHostTensor(host)
        return np.array(host.getData(), FLOAT32).reshape(shape)

    return infer


def _converted(workload: Workload) -> Path:
    place = workload.kept("model.mnn", version("MNN"))
    if not place.exists():
        files = ["--modelFile", str(workload.onnx), "--MNNModel", str(place)]
        command = [sys.executable, "-P", "-c", _CONVERT, "-f", "ONNX", *files, "--bizCode", "rdpass"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not place.exists():
            raise ConfigError(f"mnnconvert could not convert it: {(done.stderr or done.stdout).strip()[-300:]}")
    return place
