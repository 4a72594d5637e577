"""``rdpass compile``: a bundle, its tables and its manifest as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from rdpass.cli.app import run
from rdpass.cli.compile import _without_torch, print_bundle
from rdpass.cli.tables import size
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.manifest import open_sealed
from tests.onnx.nets import Net


def test_compile_writes_a_bundle_and_verify_accepts_it(
    two_by_two_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["compile", str(two_by_two_onnx), "-o", str(tmp_path / "two.rdp")]) == 0
    shown = capfd.readouterr()
    assert "tvm-host" in shown.out
    assert "bundle" in shown.out
    # Progress, where the machine is slow; nothing else.
    assert all(line.startswith("compile ") for line in shown.err.splitlines())
    assert run(["verify", str(tmp_path / "two.rdp")]) == 0
    assert "intact" in capfd.readouterr().out


def test_compile_prints_the_manifest_as_json(
    two_by_two_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["compile", str(two_by_two_onnx), "-o", str(tmp_path / "two.rdp"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == json.loads((tmp_path / "two.rdp" / "manifest.json").read_text())


def test_torch_stays_out_while_tvm_is_loaded_and_is_found_again_behind_it() -> None:
    """In a process of its own: here torch is loaded."""
    code = (
        "import sys; from rdpass.cli.compile import _without_torch\n"
        "with _without_torch():\n"
        "    try:\n        import torch\n    except ImportError: print('hidden')\n"
        "import torch; print(torch.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hidden", "torch"]
    with _without_torch():
        assert sys.modules["torch"] is not None


def test_what_tvm_lowers_is_named_where_it_is_worth_saying(
    host_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    large, small = ({"function": name, "share": share} for name, share in (("erf", 0.25), ("cast", 0.005)))
    manifest = replace(host_bundle.manifest, fallbacks=[large, small], notes=["mind the gap"])
    print_bundle(replace(host_bundle, manifest=manifest))
    shown = capfd.readouterr().out
    assert "lowered by TVM, no kernel computes it: erf, about 25.0% of the time" in shown
    assert "cast" not in shown
    assert "note: mind the gap" in shown
    for gate in manifest.gates:
        assert f"{gate.error:.2e}" in shown


def test_a_file_of_open_sizes_is_built_for_those_given_and_compared_at_them(
    dynamic_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "net.rdp")
    assert run(["compile", str(dynamic_onnx), "--input", "x=2x3x17x15:float32", "-o", folder]) == 0
    assert open_sealed(Path(folder)).inputs[0].shape == (2, 3, 17, 15)
    bench = ["bench", folder, "--vs", "ort", "--onnx", str(dynamic_onnx), "--runs", "3", "--json"]
    capfd.readouterr()
    assert run([*bench, "--input", "2x3x17x15"]) == 0
    assert [row["reason"] for row in json.loads(capfd.readouterr().out)["rows"]] == [None, None]
    assert run([*bench, "--input", "1x3x17x15"]) == 2
    assert "was built for x=2x3x17x15; compile FILE for that size" in capfd.readouterr().err


def test_a_tolerance_of_the_users_is_in_the_manifest_and_what_is_none_is_refused_at_once(
    two_by_two_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["compile", str(two_by_two_onnx), "-o", str(tmp_path / "two.rdp")]
    assert run([*command, "--tolerance", "nan"]) == 2
    assert "it is a relative error" in capfd.readouterr().err
    assert not (tmp_path / "two.rdp").exists()
    assert run([*command, "--tolerance", "0.002", "--json"]) == 0
    manifest = json.loads(capfd.readouterr().out)
    assert {(gate["tolerance"], gate["tolerance_by"]) for gate in manifest["gates"]} == {(0.002, "user")}
    assert (manifest["golden"]["tolerance"], manifest["golden"]["tolerance_by"]) == (0.002, "user")


def test_the_last_line_says_what_kernels_were_chosen_for_and_what_of_the_library_are_weights(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net = Net((1, 32, 12, 12))
    onnx.save(net.model(net.relu(net.conv("x0", 32, 32, 3))), tmp_path / "net.onnx")
    command = ["compile", str(tmp_path / "net.onnx"), "-o", str(tmp_path / "b"), "--runtime", "none"]
    assert run([*command, "--optimize", "fast"]) == 2
    assert "speed" in capfd.readouterr().err
    assert run([*command, "--optimize", "size"]) == 0
    manifest = open_sealed(tmp_path / "b")
    own = 4 * (32 * 32 * 9 + 32)
    assert (manifest.optimize, manifest.constants) == ("size", {"model": own, "packed": own, "transformed": 0})
    library = (tmp_path / "b" / manifest.library).stat().st_size
    assert library > own
    assert capfd.readouterr().out.splitlines()[-1] == (
        f"--optimize size: {manifest.library} {size(library)}, of it weights 37.0 kB (37.0 kB in the model,"
        " 0 B added to be faster)"
    )


def test_sizes_are_those_of_the_manifest(host_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert host_bundle.manifest.optimize == "speed"
    constants = {"model": 241_000_000, "packed": 408_000_000, "transformed": 167_000_000}
    print_bundle(replace(host_bundle, manifest=replace(host_bundle.manifest, constants=constants)))
    assert "of it weights 408.00 MB (241.00 MB in the model, 167.00 MB added" in capfd.readouterr().out
