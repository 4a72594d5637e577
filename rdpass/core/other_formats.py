"""Files and folders of other formats than those that are read: what each is, and the way from it to one that is."""

from __future__ import annotations

from pathlib import Path

from rdpass.core.errors import ConfigError

_TF2ONNX = "make an ONNX file of it: python -m tf2onnx.convert --opset 17 --output {stem}.onnx"
_ITS_SOURCE = "it is compiled for one device: give the ONNX file that it was made from"
_WEIGHTS = (
    "a file of weights without a network",
    "give the network, and this as its weights: pkg.mod:callable --weights {file}",
)
_OF_TORCH = (".pt", ".pth", ".pt2")
_ARCHIVE = "an archive", "unpack it and give the model in it"
_BY_ENDING = {
    ".tflite": ("a TFLite model", f"{_TF2ONNX} --tflite {{file}}"),
    ".lite": ("a TFLite model", f"{_TF2ONNX} --tflite {{file}}"),
    ".h5": ("a Keras model", f"{_TF2ONNX} --keras {{file}}"),
    ".hdf5": ("a Keras model", f"{_TF2ONNX} --keras {{file}}"),
    ".keras": ("a Keras model", f"{_TF2ONNX} --keras {{file}}"),
    ".pb": ("a TensorFlow graph", f"{_TF2ONNX} --graphdef {{file}}, or --saved-model with its folder"),
    ".pdmodel": (
        "a Paddle model",
        "make an ONNX file of it: paddle2onnx --model_dir . --model_filename {file} --params_filename {stem}.pdiparams"
        " --save_file {stem}.onnx",
    ),
    ".caffemodel": ("a Caffe model", "make an ONNX file of it and its .prototxt, as caffe2onnx does"),
    ".prototxt": ("a Caffe model", "make an ONNX file of it and its .caffemodel, as caffe2onnx does"),
    ".mlmodel": ("a Core ML model", "export ONNX from the framework that it was trained in"),
    ".mlpackage": ("a Core ML model", "export ONNX from the framework that it was trained in"),
    ".xml": ("an OpenVINO model", "give the ONNX file that it was made from"),
    ".param": ("an ncnn model", "give the ONNX or TorchScript file that it was made from"),
    ".mnn": ("an MNN model", "give the ONNX file that it was made from"),
    ".tmfile": ("a Tengine model", "give the ONNX file that it was made from"),
    ".ort": ("ONNX Runtime's own format", "give the .onnx file that it was made from"),
    ".pte": ("an ExecuTorch program", "give the .pt2 file that it was made from: torch.export.save(program, PATH)"),
    ".engine": ("a TensorRT engine", _ITS_SOURCE),
    ".trt": ("a TensorRT engine", _ITS_SOURCE),
    ".plan": ("a TensorRT engine", _ITS_SOURCE),
    ".rknn": ("a Rockchip model", _ITS_SOURCE),
    ".hef": ("a Hailo model", _ITS_SOURCE),
    ".om": ("an Ascend model", _ITS_SOURCE),
    ".dlc": ("a Qualcomm model", _ITS_SOURCE),
    ".kmodel": ("a Kendryte model", _ITS_SOURCE),
    ".nb": ("a Paddle Lite model", _ITS_SOURCE),
    ".blob": ("a Myriad model", _ITS_SOURCE),
    ".gguf": ("a language model of llama.cpp", "rdpass reads networks of images and sound"),
    ".weights": ("a file of Darknet weights", "make an ONNX file of it and their .cfg"),
    ".cfg": ("a Darknet network", "make an ONNX file of it and its .weights"),
    ".pdiparams": (
        "a file of weights of a Paddle model",
        "make an ONNX file of it: paddle2onnx --model_dir . --model_filename {stem}.pdmodel --params_filename {file}"
        " --save_file {stem}.onnx",
    ),
    ".params": ("a file of weights of an MXNet model", "make an ONNX file of it and their .json: mx.onnx.export_model"),
    ".safetensors": _WEIGHTS,
    ".npz": ("a file of arrays without a network", "give the network: pkg.mod:callable"),
    ".npy": ("an array without a network", "give the network: pkg.mod:callable"),
    ".zip": _ARCHIVE, ".tar": _ARCHIVE, ".gz": _ARCHIVE, ".tgz": _ARCHIVE, ".bz2": _ARCHIVE, ".xz": _ARCHIVE,
    ".7z": _ARCHIVE, ".mar": _ARCHIVE,
}  # fmt: skip
_BY_PART = (
    ("conversion.json", "a run folder", "write its student with `rdpass export {file} -o student.onnx`, and give that"),
    ("manifest.json", "a bundle", "give what it was compiled from; `rdpass run`, `bench` and `verify` take bundles"),
    ("saved_model.pb", "a TensorFlow model", f"{_TF2ONNX} --saved-model {{file}}"),
    ("*.pdmodel", "a Paddle model", "make an ONNX file of it: paddle2onnx --model_dir {file} --save_file {stem}.onnx"),
    (
        "config.json", "a folder of Hugging Face",
        "write a function that returns its model, such as AutoModelForImageClassification.from_pretrained({file!r}),"
        " and give pkg.mod:function",
    ),
    ("*.onnx", "a folder", "give the .onnx file in it"),
)  # fmt: skip
"""Of folders: a file in it, what such a folder is, and the remedy."""
_BY_START = (
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file that it stands for: git lfs pull"),
    (b"<!doctype html", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"\x89hdf", "a Keras model", f"{_TF2ONNX} --keras {{file}}"),
)
"""Of files: their first bytes, in lower case."""
_TFLITE = b"tfl3"  # from the fourth byte on
_ZIP = b"pk\x03\x04"
_LONGEST = max(len(start) for start, _, _ in _BY_START)


def check_format(file: str | Path) -> None:
    """Refuse a file of another format by its name's ending or its first bytes, a folder by what lies in it.

    Raises:
        ConfigError: it is of one; the message says what to do.

    Example:
        >>> check_format("net.onnx")
        >>> check_format("net.tflite")
        Traceback (most recent call last):
        rdpass.core.errors.ConfigError: net.tflite is a TFLite model, which is not read here; make an ONNX file of it: \
 python -m tf2onnx.convert --opset 17 --output net.onnx --tflite net.tflite
    """
    path = Path(file)
    found = _of_folder(path) if path.is_dir() else _of_start(path)
    _refuse(path, found or _BY_ENDING.get(path.suffix.lower()))


def check_onnx_format(file: Path) -> None:
    """Refuse a file that is none of ONNX: one of another format, or one of torch's.

    Raises:
        ConfigError: the message says what to do.
    """
    check_format(file)
    if _start_of(file).startswith(_ZIP):
        given = file if file.suffix.lower() in _OF_TORCH else file.with_suffix(_OF_TORCH[0])
        command = f"rdpass export {given.name} --input 1x3x224x224 -o {file.stem}.onnx"
        _refuse(file, ("a file of torch", f"make an ONNX file of it: {command}"))


def _refuse(path: Path, found: tuple[str, str] | None) -> None:
    if found is not None:
        what, remedy = found
        told = remedy.format(file=path.name, stem=path.stem)
        raise ConfigError(f"{path} is {what}, which is not read here; {told}")


def _of_folder(folder: Path) -> tuple[str, str] | None:
    return next(((what, remedy) for name, what, remedy in _BY_PART if any(folder.glob(name))), None)


def _of_start(file: Path) -> tuple[str, str] | None:
    start = _start_of(file)
    if start[4:].startswith(_TFLITE):
        return _BY_ENDING[".tflite"]
    return next(((what, remedy) for first, what, remedy in _BY_START if start.startswith(first)), None)


def _start_of(file: Path) -> bytes:
    """The first bytes, in lower case; none where it is no file, or can't be read, which others say."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(_LONGEST).lower()
    except OSError:
        return b""
