"""Files of other formats than those that are read, and how each becomes an ONNX file."""

from __future__ import annotations

from pathlib import Path

from rdpass.core.errors import ConfigError

_TF2ONNX = "python -m tf2onnx.convert --opset 17 --output {stem}.onnx"
_REMEDIES = {
    ".tflite": ("a TFLite model", f"{_TF2ONNX} --tflite {{file}}"),
    ".h5": ("a Keras model", f"{_TF2ONNX} --keras {{file}}"),
    ".keras": ("a Keras model", f"{_TF2ONNX} --keras {{file}}"),
    ".pb": ("a TensorFlow graph", f"{_TF2ONNX} --graphdef {{file}}, or --saved-model with its folder"),
    ".pdmodel": (
        "a Paddle model",
        "paddle2onnx --model_dir . --model_filename {file} --params_filename {stem}.pdiparams --save_file {stem}.onnx",
    ),
    ".caffemodel": ("a Caffe model", "a converter to ONNX, of its network and weights together"),
    ".mlmodel": ("a Core ML model", "the exporter of the framework that it was trained in"),
    ".mlpackage": ("a Core ML model", "the exporter of the framework that it was trained in"),
    ".ort": ("ONNX Runtime's own format", "the .onnx file that it was made from"),
}


def check_format(file: str | Path) -> None:
    """Refuse a file of another format by its name's ending.

    Raises:
        ConfigError: it is of one; the message says how an ONNX file is made of it.

    Example:
        >>> check_format("net.onnx")
        >>> check_format("net.tflite")
        Traceback (most recent call last):
        rdpass.core.errors.ConfigError: net.tflite is a TFLite model, which rdpass does not read; make an ONNX file of \
it first: python -m tf2onnx.convert --opset 17 --output net.onnx --tflite net.tflite
    """
    path = Path(file)
    if path.suffix.lower() in _REMEDIES:
        what, remedy = _REMEDIES[path.suffix.lower()]
        command = remedy.format(file=path.name, stem=path.stem)
        raise ConfigError(f"{file} is {what}, which rdpass does not read; make an ONNX file of it first: {command}")
