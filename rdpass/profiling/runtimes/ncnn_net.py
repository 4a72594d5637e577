"""ncnn, from pnnx's conversion, without its half-precision and bfloat16 storage."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES
from rdpass.profiling.runtimes.workload import Inference, Workload

_REDUCED = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_int8_inference")


def load_ncnn(workload: Workload, threads: int) -> Inference:
    import ncnn

    if workload.precision == BYTES:
        raise ConfigError("ncnn quantises networks itself, and takes no ONNX file that is quantised")
    files = _converted(workload)
    net: Any = ncnn.Net()
    net.opt.num_threads = threads
    for option in _REDUCED:
        setattr(net.opt, option, False)
    net.load_param(str(files[0]))
    net.load_model(str(files[1]))
    source, sink = net.input_names()[0], net.output_names()[0]

    def infer(x: Array) -> Array:
        extractor = net.create_extractor()
        extractor.input(source, ncnn.Mat(x[0]))
        _, output = extractor.extract(sink)
        return np.array(output)[None]

    return infer


def _converted(workload: Workload) -> tuple[Path, Path]:
    import pnnx

    number = version("pnnx")
    files = tuple(workload.kept(f"ncnn.{kind}", number) for kind in ("param", "bin"))
    if not all(file.exists() for file in files):
        with tempfile.TemporaryDirectory() as folder:  # pnnx leaves files beside its input
            model = shutil.copyfile(workload.onnx, Path(folder, "model.onnx"))
            shape = ",".join(map(str, workload.x.shape))
            places = [f"ncnnparam={folder}/out.param", f"ncnnbin={folder}/out.bin"]
            command = [pnnx.EXEC_PATH, str(model), f"inputshape=[{shape}]", "fp16=0", *places]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
            made = (Path(folder, "out.param"), Path(folder, "out.bin"))
            if done.returncode or not all(path.exists() for path in made):
                raise ConfigError(f"pnnx could not convert it: {(done.stderr or done.stdout).strip()[-300:]}")
            for path, file in zip(made, files, strict=True):
                shutil.copyfile(path, file)
    return files[0], files[1]
