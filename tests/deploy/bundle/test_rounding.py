"""Networks that float32 hardly holds, from torch to a bundle: gates judge by float64, and say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import rdpass
from rdpass.core.agreement import outputs_in_double
from rdpass.core.comparison import relative_error
from rdpass.core.errors import ParityError
from rdpass.core.files import file_digest
from rdpass.deploy.bundle import building
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.deploy.bundle.verification import read_golden, verify
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import GATES_KEY
from tests.models import faint_detector
from tests.onnx.nets import Net
from tests.support import Untouched


def recorded(path: Path) -> dict[str, dict]:
    entries = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return {gate["name"]: gate for gate in json.loads(entries[GATES_KEY])}


@pytest.mark.slow
@pytest.mark.parametrize("gain", [60.0, 3000.0])
def test_a_detector_that_sees_nothing_becomes_a_bundle(gain: float, tmp_path: Path) -> None:
    """Its scores are near 1e-7, where ONNX Runtime's sigmoid has no digit right; at a gain of 3000, torch has four."""
    model, example = faint_detector(gain)
    before = Untouched(model)
    (wanted,) = outputs_in_double(model, (example,)) or ()
    result = rdpass.convert(model, example, recipe="carry", max_macs=20.0)
    path = result.export_onnx(tmp_path / "faint.onnx")
    before.check()
    assert wanted.max() < 2e-7
    assert relative_error(run_onnx(onnx.load(path), [example.numpy()])[0], wanted) > 0.01
    gates = recorded(path)
    assert gates["onnx"]["oracle"] == gates["onnx-simplified"]["oracle"] == "float64"
    assert gates["onnx"]["error"] < 1e-9  # both sides in float64: the file is the network
    bundle = compile(path, out=tmp_path / "b.rdp", show_progress=False)
    here, built = bundle.manifest.gates[-2:]
    assert (here.oracle, built.oracle) == ("float64", "float64")
    assert max(here.error / here.tolerance, built.error / built.tolerance) <= 1
    assert built.oracle_error == here.oracle_error is not None
    assert bundle.manifest.golden["source"] == "float64"
    (golden,) = read_golden(bundle.folder, bundle.manifest, "outputs")
    assert relative_error(golden, wanted) < 10 * gates["onnx"]["oracle_error"]
    assert built.tolerance == (1e-4 if gain == 60.0 else bundle.manifest.golden["tolerance"]) < 1e-2
    assert verify(bundle.folder).oracle == "float64"
    # The manifest says it on disk too.
    assert open_sealed(bundle.folder) == bundle.manifest
    written = json.loads((bundle.folder / "manifest.json").read_text())["gates"][-1]
    assert {"name", "error", "tolerance", "oracle", "oracle_error", "tolerance_by"} == written.keys()


def small() -> onnx.ModelProto:
    net = Net((1, 3, 4, 4))
    return net.model(net.relu(net.conv("x0", 3, 4, 3)))


def spoil(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """What is built for this machine computes something else."""
    real = building.run_here
    monkeypatch.setattr(building, "run_here", lambda *given: [factor * y for y in real(*given)])


def test_what_is_built_wrong_is_refused_with_both_oracles_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoil(monkeypatch, 1.0003)
    with pytest.raises(ParityError, match=r"tvm-host: .*tolerance 0\.0001\).*in float64 they differ by 0\.0003, and"):
        compile(small(), out=tmp_path / "b.rdp", show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_tolerance_of_the_users_is_the_gates_and_is_said_to_be_theirs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spoil(monkeypatch, 1.0003)
    manifest = compile(small(), out=tmp_path / "b.rdp", tolerance=1e-3, show_progress=False).manifest
    assert [(gate.name, gate.tolerance, gate.tolerance_by) for gate in manifest.gates] == [
        ("tvm-host", 1e-3, "user"),
        ("bundle", 1e-3, "user"),
    ]
    assert (manifest.golden["tolerance"], manifest.golden["tolerance_by"]) == (1e-3, "user")
    assert manifest.notes == ("every gate was held to the user's own tolerance, 0.001",)
    assert (verify(tmp_path / "b.rdp").tolerance_by, verify(tmp_path / "b.rdp").tolerance) == ("user", 1e-3)


@pytest.mark.slow
def test_golden_numbers_of_something_else_are_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, path = small(), tmp_path / "small.onnx"
    onnx.save(model, path)
    x = np.ones((1, 3, 4, 4), np.float32)
    (right,) = run_onnx(model, [x])
    digest = file_digest(path)
    np.savez(tmp_path / "mine.npz", input_0=x, output_0=1.01 * right, onnx_sha256=digest)
    spoil(monkeypatch, 1.00002)  # enough to ask float64
    with pytest.raises(ParityError, match=r"bundle: output 0 differs by 0\.00"):
        compile(path, out=tmp_path / "b.rdp", golden=tmp_path / "mine.npz", show_progress=False)
    np.savez(tmp_path / "mine.npz", input_0=x, output_0=right, onnx_sha256=digest)
    manifest = compile(path, out=tmp_path / "b.rdp", golden=tmp_path / "mine.npz", show_progress=False).manifest
    assert (manifest.golden["source"], manifest.gates[-1].oracle) == ("float64", "float64")
