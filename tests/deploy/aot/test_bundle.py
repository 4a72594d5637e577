"""Bundles without a runtime: a C library and a static program that give the virtual machine's bits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.cli.app import run as rdpass
from rdpass.core.comparison import Array
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


def _files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def _inputs(bundle: Bundle, seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    return [3 * random.standard_normal(spec.shape).astype(spec.dtype) for spec in bundle.manifest.inputs]


def _outputs(bundle: Bundle, inputs: list[Array]) -> tuple[Array, ...]:
    launcher = find_launcher(find_target(bundle.manifest.target["name"]))
    return execute(bundle.folder, bundle.manifest, launcher, inputs)


def _check_same_bits(actual: tuple[Array, ...], expected: tuple[Array, ...]) -> None:
    assert [(a.dtype, a.shape, a.tobytes()) for a in actual] == [(e.dtype, e.shape, e.tobytes()) for e in expected]


def test_it_holds_a_library_its_header_an_example_and_a_program_and_nothing_of_tvm(aot_bundle: Bundle) -> None:
    assert set(_files(aot_bundle.folder)) == {
        "manifest.json", "SHA256SUMS", "README.txt", "librdpass_model.a", "rdpass_model.h", "example.c", "run",
        "golden/input_0.npy", "golden/output_0.npy",
    }  # fmt: skip
    assert b"TVMFFI" not in (aot_bundle.folder / "run").read_bytes()
    headers = subprocess.run(
        ["readelf", "-ldW", aot_bundle.folder / "run"], capture_output=True, text=True, check=True
    ).stdout
    assert "INTERP" not in headers
    assert "NEEDED" not in headers


def test_its_manifest_says_so_and_what_the_header_says(aot_bundle: Bundle) -> None:
    manifest = open_sealed(aot_bundle.folder)
    assert (manifest.runtime, manifest.library, manifest.planned_workspace_bytes) == ("none", "librdpass_model.a", 0)
    header = (aot_bundle.folder / "rdpass_model.h").read_text()
    sizes = dict(re.findall(r"#define RDPASS_MODEL_(\w+) (\d+)", header))
    assert int(sizes["ARENA_BYTES"]) == manifest.planned_activation_bytes
    assert int(sizes["INPUT_0_BYTES"]) == 4 * 3 * 17 * 15
    assert int(sizes["OUTPUT_0_BYTES"]) == 4 * 5
    assert [gate.name for gate in manifest.gates] == ["tvm-host", "bundle"]


def test_it_gives_the_bits_of_the_virtual_machine(aot_bundle: Bundle, host_bundle: Bundle) -> None:
    for seed in range(3):
        inputs = _inputs(host_bundle, seed)
        _check_same_bits(_outputs(aot_bundle, inputs), _outputs(host_bundle, inputs))


def test_so_it_does_on_a_board(board_aot_bundle: Bundle, board_bundle: Bundle) -> None:
    inputs = _inputs(board_bundle, 5)
    _check_same_bits(_outputs(board_aot_bundle, inputs), _outputs(board_bundle, inputs))
    assert verify(board_aot_bundle.folder).error <= 1e-5


def test_its_program_has_the_command_line_of_every_bundle(aot_bundle: Bundle, tmp_path: Path) -> None:
    def run(*words: str | Path) -> str:
        command = [aot_bundle.folder / "run", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "max relative error" in run("--verify")
    assert json.loads(run("--info"))["planned_activation_bytes"] == aot_bundle.manifest.planned_activation_bytes
    times = json.loads(run("--bench", "5", "--threads", "2"))
    assert (times["runs"], times["threads"]) == (5, 2)
    golden = aot_bundle.folder / "golden/input_0.npy"
    for threads in ("1", "2", "3", "16"):
        run(golden, tmp_path / f"{threads}.npy", "--threads", threads)
    assert len({file_digest(path) for path in tmp_path.iterdir()}) == 1


def test_verify_and_run_take_it_and_load_says_that_python_cant(aot_bundle: Bundle, tmp_path: Path) -> None:
    folder = aot_bundle.folder
    assert rdpass(["verify", str(folder)]) == 0
    assert rdpass(["run", str(folder), str(folder / "golden/input_0.npy"), "-o", str(tmp_path / "y.npy")]) == 0
    assert np.load(tmp_path / "y.npy").shape == (1, 5)
    with pytest.raises(ConfigError, match="C library, which this does not load; use `rdpass run`"):
        load(folder)


def test_the_command_line_builds_it(two_by_two_onnx: Path, tmp_path: Path) -> None:
    built = tmp_path / "net.rdp"
    assert rdpass(["compile", str(two_by_two_onnx), "--runtime", "none", "-o", str(built)]) == 0
    assert open_sealed(built).runtime == "none"
    inputs = [np.ones(spec.shape, spec.dtype) for spec in open_sealed(built).inputs]
    expected = tuple(run_onnx(onnx.load(two_by_two_onnx), inputs))
    outputs = execute(built, open_sealed(built), (), inputs)
    assert all(np.allclose(o, e, rtol=1e-6) for o, e in zip(outputs, expected, strict=True))


def test_there_are_two_runtimes(two_by_two_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no runtime 'some'; it is one of vm, none"):
        compile(two_by_two_onnx, out=tmp_path / "net.rdp", runtime="some")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_it_is_the_same_bytes_wherever_it_is_built(
    board_aot_bundle: Bundle, residual_onnx: Path, board: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "a" / "longer" / "place"
    elsewhere.mkdir(parents=True)
    model = shutil.copy(residual_onnx, elsewhere / "another name.onnx")
    again = compile(model, board, elsewhere / "again.rdp", runtime="none", shared=True)
    assert _files(again.folder) == _files(board_aot_bundle.folder)


def test_nothing_in_it_names_a_place_on_the_building_machine(aot_bundle: Bundle, residual_onnx: Path) -> None:
    places = [residual_onnx.parent, aot_bundle.folder.parent, Path(__file__).parents[3]]
    for path in aot_bundle.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [place for place in places if str(place).encode() in content], path
            assert b"/tmp/tmp" not in content, path


def test_scalars_booleans_integers_and_what_is_only_passed_on(tmp_path: Path) -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]>'
        " net (bool[3] c, int64[3] a, float s) => (int64[3] n, float t, bool[3] d, int64[3] same)"
        " { b = Neg(a) n = Where(c, a, b) t = Neg(s) d = Not(c) same = Identity(a) }"
    )
    model = onnx.parser.parse_model(text)
    bundle = compile(model, out=tmp_path / "net.rdp", runtime="none")
    inputs = [np.array([True, False, True]), np.array([5, -(2**40), 7]), np.array(2.5, np.float32)]
    _check_same_bits(execute(bundle.folder, bundle.manifest, (), inputs), tuple(run_onnx(model, inputs)))


def test_what_needs_tvms_runtime_is_refused_by_name_and_leaves_nothing(tmp_path: Path) -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]>'
        " net (float[8] x) => (float[3] values, int64[3] places)"
        " <int64[1] k = {3}> { values, places = TopK(x, k) }"
    )
    with pytest.raises(ConfigError, match="--runtime vm"):
        compile(onnx.parser.parse_model(text), out=tmp_path / "net.rdp", runtime="none")
    assert list(tmp_path.iterdir()) == []


def test_names_of_tensors_cant_break_out_of_the_c(tmp_path: Path) -> None:
    name = '*/ "; \\ ??/ %s \n é'
    net = Net((1, 4))
    model = net.model(net.relu("x0"))
    model.graph.output[0].name = model.graph.node[-1].output[0] = name
    bundle = compile(model, out=tmp_path / "net.rdp", runtime="none")
    printed = subprocess.run([bundle.folder / "run", "--info"], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed)["outputs"][0]["name"] == name
