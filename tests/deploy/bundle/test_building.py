"""Building: what a bundle holds, that it computes what the model computes, and that it is the same each time."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError
from rdpass.core.files import file_digest
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.deploy.bundle.runner import load
from rdpass.deploy.bundle.verification import verify
from rdpass.onnx.oracle import run_onnx
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_launcher
from tests.onnx.nets import Net

TOLERANCE = 1e-5


def _files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def _another_input(bundle: Bundle, seed: int = 11) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [3 * random.standard_normal(spec.shape).astype(spec.dtype) for spec in bundle.manifest.inputs]


def _check_outputs(actual: tuple[np.ndarray, ...], expected: list[np.ndarray]) -> None:
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype
        assert relative_error(a, e) <= TOLERANCE


def test_convolutions_of_three_dimensions_are_right_and_said_to_be_tvms(tmp_path: Path) -> None:
    net = Net((1, 3, 6, 7, 9))
    x = net.node("Conv", "x0", net.numbers(6, 3, 3, 3, 3), kernel_shape=[3, 3, 3], pads=[2, 1, 1, 0, 1, 1])
    x = net.node("MaxPool", net.relu(net.norm(x, 6)), kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    y = net.node("ConvTranspose", x, net.numbers(6, 4, 2, 2, 2), kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    model = net.model(y)
    bundle = compile(model, target="host", out=tmp_path / "volumes.rdp")
    (note,) = bundle.manifest.notes
    assert note.startswith("2 convolutions have three dimensions of space, which no kernel takes: TVM lowers them")
    given = _another_input(bundle)
    _check_outputs((load(bundle.folder)(*given),), run_onnx(model, given))


def test_a_bundle_holds_the_network_the_runner_its_libraries_golden_numbers_and_a_manifest(host_bundle: Bundle) -> None:
    assert set(_files(host_bundle.folder)) == {
        "manifest.json",
        "SHA256SUMS",
        "README.txt",
        "model.so",
        "run",
        "lib/libtvm_runtime.so",
        "lib/libtvm_ffi.so",
        "librdpass_network.so",
        "rdpass_network.h",
        "rdpass_network.hpp",
        "example.cc",
        "golden/input_0.npy",
        "golden/output_0.npy",
    }
    assert open_sealed(host_bundle.folder) == host_bundle.manifest


def test_the_manifest_says_what_was_built_and_every_gate_it_passed(host_bundle: Bundle, residual_onnx: Path) -> None:
    manifest = host_bundle.manifest
    assert manifest.source == file_digest(residual_onnx)
    assert manifest.target["name"] == "host"
    assert [(s.name, s.shape, s.dtype) for s in manifest.inputs] == [("x", (1, 3, 17, 15), "float32")]
    assert [(s.name, s.shape, s.dtype) for s in manifest.outputs] == [("y", (1, 5), "float32")]
    assert [gate.name for gate in manifest.gates] == ["tvm-host", "bundle"]
    assert all(gate.error <= gate.tolerance for gate in manifest.gates)
    assert manifest.golden["source"] == "onnxruntime"
    assert manifest.planned_activation_bytes > 0
    assert {"rdpass", "apache-tvm", "apache-tvm-ffi", "onnx", "onnxruntime", "compiler"} <= manifest.versions.keys()
    assert manifest.notes == ()


def test_a_host_bundle_computes_what_the_model_computes_on_other_inputs(
    host_bundle: Bundle, residual_onnx: Path
) -> None:
    inputs = _another_input(host_bundle)
    expected = run_onnx(onnx.load(residual_onnx), inputs)
    _check_outputs(execute(host_bundle.folder, host_bundle.manifest, (), inputs), expected)
    _check_outputs((load(host_bundle.folder)(*inputs),), expected)


def test_a_board_bundle_computes_what_the_model_computes_under_the_emulator(
    board_bundle: Bundle, residual_onnx: Path
) -> None:
    launcher = find_launcher(find_target(board_bundle.manifest.target["name"]))
    assert launcher[1:3] == ("-cpu", "cortex-a72")
    inputs = _another_input(board_bundle)
    outputs = execute(board_bundle.folder, board_bundle.manifest, launcher, inputs)
    _check_outputs(outputs, run_onnx(onnx.load(residual_onnx), inputs))
    assert verify(board_bundle.folder).error <= TOLERANCE


def test_two_inputs_and_two_outputs_keep_their_order(two_by_two_onnx: Path, tmp_path: Path) -> None:
    bundle = compile(two_by_two_onnx, out=tmp_path / "two.rdp")
    inputs = _another_input(bundle)
    expected = run_onnx(onnx.load(two_by_two_onnx), inputs)
    outputs = load(bundle.folder)(*inputs)
    assert isinstance(outputs, tuple)
    _check_outputs(outputs, expected)
    _check_outputs(execute(bundle.folder, bundle.manifest, (), inputs), expected)


def test_a_bundle_for_a_board_is_the_same_bytes_wherever_it_is_built(
    board_bundle: Bundle, residual_onnx: Path, board: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "a" / "longer" / "place"
    elsewhere.mkdir(parents=True)
    model = shutil.copy(residual_onnx, elsewhere / "another name.onnx")
    again = compile(model, board, elsewhere / "again.rdp")
    assert _files(again.folder) == _files(board_bundle.folder)


@pytest.mark.slow
def test_a_bundle_is_the_same_bytes_from_another_process(
    host_bundle: Bundle, residual_onnx: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.rdp"
    code = f"from rdpass.deploy.bundle.building import compile; compile({str(residual_onnx)!r}, out={str(again)!r})"
    (tmp_path / "scratch").mkdir()
    changed = {"PYTHONHASHSEED": "12345", "TVM_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "scratch"), "LC_ALL": "C"}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **changed}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path / "scratch", umask=0o077, check=True)
    assert _files(again) == _files(host_bundle.folder)


def test_scalars_booleans_and_integers_pass_through(tmp_path: Path) -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]>'
        " net (bool[3] c, int64[3] a, float s) => (int64[3] n, float t, bool[3] d)"
        " { b = Neg(a) n = Where(c, a, b) t = Neg(s) d = Not(c) }"
    )
    model = onnx.parser.parse_model(text)
    bundle = compile(model, out=tmp_path / "net.rdp")
    inputs = [np.array([True, False, True]), np.array([5, -(2**40), 7]), np.array(2.5, np.float32)]
    expected = run_onnx(model, inputs)
    assert [e.dtype.name for e in expected] == ["int64", "float32", "bool"]
    for outputs in (execute(bundle.folder, bundle.manifest, (), inputs), load(bundle.folder)(*inputs)):
        assert all(np.array_equal(o, e) and o.dtype == e.dtype for o, e in zip(outputs, expected, strict=True))


def test_a_copy_of_the_folder_is_all_it_takes(host_bundle: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(host_bundle.folder, tmp_path / "a place" / "net")
    for arguments in (["--verify"], ["golden/input_0.npy", "../y.npy"]):
        done = subprocess.run([copy / "run", *arguments], env={}, cwd=copy, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


_NEWEST = {"GLIBC": (2, 27), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11)}


def test_nothing_in_a_board_bundle_asks_for_a_newer_system_than_its_readme_says(board_bundle: Bundle) -> None:
    """glibc 2.27 and the libstdc++ of GCC 7: Debian 10, Ubuntu 18.04 and newer, whatever the bundle was built on."""
    for name in ("run", "librdpass_network.so", "model.so", "lib/libtvm_runtime.so", "lib/libtvm_ffi.so"):
        listing = subprocess.run(
            ["aarch64-linux-gnu-objdump", "-T", board_bundle.folder / name], capture_output=True, text=True, check=True
        ).stdout
        asked = re.findall(r"\((GLIBC|GLIBCXX|CXXABI)_([0-9.]+)\)", listing)
        assert asked or name == "model.so"
        for library, version in asked:
            assert tuple(map(int, version.split("."))) <= _NEWEST[library], f"{name}: {library}_{version}"


def test_no_file_of_a_bundle_names_a_place_on_the_building_machine(host_bundle: Bundle, residual_onnx: Path) -> None:
    import tvm_ffi

    places = [str(residual_onnx.parent), str(host_bundle.folder.parent), str(Path(tvm_ffi.__file__).parent)]
    places.append(str(Path(__file__).parents[3]))
    for name in ("manifest.json", "README.txt", "model.so", "run", "librdpass_network.so"):
        content = (host_bundle.folder / name).read_bytes()
        assert not [place for place in places if place.encode() in content], name


def test_a_model_can_be_given_as_a_proto_but_then_needs_a_place(two_by_two_onnx: Path, tmp_path: Path) -> None:
    model = onnx.load(two_by_two_onnx)
    with pytest.raises(ConfigError, match="give out="):
        compile(model)
    assert verify(compile(model, out=tmp_path / "two.rdp").folder).error <= TOLERANCE


def test_golden_numbers_and_gates_that_came_with_the_model_go_into_the_bundle(
    model_with_golden: Path, tmp_path: Path
) -> None:
    bundle = compile(model_with_golden, out=tmp_path / "net.rdp")
    assert bundle.manifest.golden["source"] == "torch"
    assert np.all(np.load(bundle.folder / "golden/input_0.npy") == 0.25)
    assert [gate.name for gate in bundle.manifest.gates] == ["onnx", "tvm-host", "bundle"]


def test_without_an_emulator_the_bundle_says_that_it_was_not_run(
    residual_onnx: Path, board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rdpass.targets.toolchain._EMULATORS", ("no-such-emulator-{0}",))
    with caplog.at_level(logging.WARNING, "rdpass"):
        manifest = compile(residual_onnx, board, tmp_path / "net.rdp").manifest
    assert [gate.name for gate in manifest.gates] == ["tvm-host"]
    assert manifest.notes == ("not run when it was built: no emulator for aarch64",)
    assert "apt install qemu-user" in caplog.text
