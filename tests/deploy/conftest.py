"""Small networks made with onnx.helper, and one bundle of each kind built once and copied by tests that spoil it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rdpass.core.errors import TargetError
from rdpass.core.files import file_digest
from rdpass.core.processing import Processing
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import GATES_KEY
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher
from tests.deploy.device.loopback import NoSshd, sshd

BOARD = "rpi4"


def _model(nodes: list, inputs: dict, outputs: dict, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def residual_net(batch: int | str = 1) -> onnx.ModelProto:
    """Odd sizes, a stride, a shortcut, a clip, bounds per channel with infinities, pooling and a dense layer."""
    random = np.random.default_rng(7)
    low = np.where(np.arange(8) % 2, 0.0, -np.inf).astype(np.float32).reshape(1, 8, 1, 1)
    high = np.where(np.arange(8) % 4, np.inf, 1.5).astype(np.float32).reshape(1, 8, 1, 1)
    weights = {
        "w1": random.standard_normal((8, 3, 3, 3)).astype(np.float32) / 4,
        "b1": random.standard_normal(8).astype(np.float32),
        "w2": random.standard_normal((8, 8, 3, 3)).astype(np.float32) / 6,
        "b2": random.standard_normal(8).astype(np.float32),
        "w3": random.standard_normal((5, 8)).astype(np.float32),
        "b3": random.standard_normal(5).astype(np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
        "low": low,
        "high": high,
    }
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], strides=[2, 2], **conv),
        helper.make_node("Clip", ["c1", "zero", "six"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], **conv),
        helper.make_node("Max", ["c2", "low"], ["m1"]),
        helper.make_node("Min", ["m1", "high"], ["m2"]),
        helper.make_node("Add", ["m2", "r1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    return _model(nodes, {"x": [batch, 3, 17, 15]}, {"y": [batch, 5]}, weights)


def two_by_two_net() -> onnx.ModelProto:
    """Two inputs of different shapes and two outputs."""
    weight = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["left", "w"], ["product"]),
        helper.make_node("Add", ["product", "right"], ["total"]),
        helper.make_node("Relu", ["product"], ["positive"]),
    ]
    shapes = {"left": [2, 4], "right": [6]}
    return _model(nodes, shapes, {"total": [2, 6], "positive": [2, 6]}, {"w": weight})


def _saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def residual_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(residual_net(), tmp_path_factory.mktemp("onnx") / "residual.onnx")


@pytest.fixture(scope="session")
def dynamic_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(residual_net("batch"), tmp_path_factory.mktemp("onnx") / "dynamic.onnx")


@pytest.fixture(scope="session")
def two_by_two_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved(two_by_two_net(), tmp_path_factory.mktemp("onnx") / "two.onnx")


@pytest.fixture
def model_with_golden(residual_onnx: Path, tmp_path: Path) -> Path:
    """A model as export leaves it: a gate in its metadata, golden numbers (an input of 0.25s) beside it."""
    model = onnx.load(residual_onnx)
    gates = [{"name": "onnx", "error": 1e-7, "tolerance": 1e-5}]
    model.metadata_props.add(key=GATES_KEY, value=json.dumps(gates))
    path = _saved(model, tmp_path / "exported.onnx")
    given = np.full((1, 3, 17, 15), 0.25, np.float32)
    (expected,) = run_onnx(model, [given])
    digest = np.array(file_digest(path))
    np.savez(tmp_path / "exported.golden.npz", input_0=given, output_0=expected, onnx_sha256=digest)
    return path


@pytest.fixture(scope="session")
def board() -> str:
    """The name of a foreign target that can be built for and emulated here."""
    target = find_target(BOARD)
    try:
        find_compiler(target), find_libraries(target), find_launcher(target)
    except TargetError as error:
        pytest.skip(str(error))
    return BOARD


@pytest.fixture(scope="session")
def host_bundle(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compile(residual_onnx, "host", tmp_path_factory.mktemp("host") / "net.rdp")


@pytest.fixture(scope="session")
def board_bundle(residual_onnx: Path, board: str, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compile(residual_onnx, board, tmp_path_factory.mktemp("board") / "net.rdp")


@pytest.fixture(scope="session")
def aot_bundle(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The host's, without a runtime."""
    return compile(residual_onnx, "host", tmp_path_factory.mktemp("aot") / "net.rdp", runtime="none")


@pytest.fixture(scope="session")
def board_aot_bundle(residual_onnx: Path, board: str, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With a shared library too."""
    place = tmp_path_factory.mktemp("board_aot") / "net.rdp"
    return compile(residual_onnx, board, place, runtime="none", shared=True)


@pytest.fixture(scope="session")
def shared_bundle(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The host's, without a runtime, and with a shared library."""
    return compile(residual_onnx, "host", tmp_path_factory.mktemp("shared") / "net.rdp", runtime="none", shared=True)


@pytest.fixture(scope="session")
def image_bundle(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The host's, of images in bytes and named classes."""
    processing = Processing(
        "nhwc", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), postprocess="softmax",
        labels=("cat", "dog", "ünusual\x1b", "d", "e"),
    )  # fmt: skip
    return compile(residual_onnx, "host", tmp_path_factory.mktemp("image") / "net.rdp", processing=processing)


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose ``ssh`` reaches this machine as if it were a board, under several names (see ``loopback``)."""
    try:
        with sshd(tmp_path_factory.mktemp("sshd")) as folder:
            yield folder
    except NoSshd as reason:
        pytest.skip(str(reason))


@pytest.fixture
def board_on_loopback(loopback: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the board on loopback, ``loopback.NAME``, has for temporary files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("PATH", f"{loopback}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(scratch))
    return scratch


@pytest.fixture
def spoiled(host_bundle: Bundle, tmp_path: Path) -> Callable[[], Path]:
    """Makes fresh copies of the host's bundle, to be spoiled."""
    made: list[Path] = []

    def copy() -> Path:
        made.append(tmp_path / f"copy_{len(made)}.rdp")
        shutil.copytree(host_bundle.folder, made[-1])
        return made[-1]

    return copy
