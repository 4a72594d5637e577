"""The whole road through the public interface, on two networks, down to a bundle that runs under emulation."""

import json

import numpy as np
import pytest
import torch

import rdpass
from benchmarks.fashion_mnist.data import loaders
from benchmarks.fashion_mnist.resnet20 import trained
from rdpass.cli.app import run
from rdpass.core.errors import TargetError
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher
from rdpass.training.evaluation import accuracy
from tests.support import Untouched, error_between

BOARD = "rpi4"


def _missing() -> str:
    target = find_target(BOARD)
    try:
        for find in (find_compiler, find_launcher, find_libraries):
            find(target)
    except TargetError as error:
        return str(error)
    return ""


needs_board = pytest.mark.skipif(bool(_missing()), reason=_missing() or "the cross tools are here")


def few_images():
    """Enough of the demo's data for a training that shows the way, not the accuracy."""
    train, held_out = loaders()
    train.images, train.labels = train.images[:640], train.labels[:640]
    held_out.images, held_out.labels = held_out.images[:500], held_out.labels[:500]
    return train, held_out


def test_the_shipped_resnet20_is_as_accurate_as_its_training_said():
    _, held_out = loaders()
    assert accuracy(trained(), held_out) == pytest.approx(93.40, abs=0.2)


@pytest.mark.slow
@needs_board
def test_a_trained_resnet_goes_from_torch_to_an_emulated_board_by_the_command_line(tmp_path, capsys):
    model = "benchmarks.fashion_mnist.resnet20:trained"
    out, onnx_file, bundle = (str(tmp_path / name) for name in ("run", "student.onnx", "student.rdp"))
    assert run(["inspect", model, "--input", "1x1x28x28", "--quick", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [region["kind"] for region in plan["regions"]].count("projection") == 2
    assert len(plan["regions"]) == 9
    assert run(["convert", model, "--data", "tests.test_road:few_images", "--epochs", "1", "-o", out]) == 0
    assert run(["inspect", f"{out}/student.pt2", "--quick"]) == 0
    assert run(["export", out, "-o", onnx_file]) == 0
    assert run(["compile", onnx_file, "--target", BOARD, "-o", bundle]) == 0
    assert run(["verify", bundle]) == 0
    manifest = json.loads((tmp_path / "student.rdp" / "manifest.json").read_text())
    gates = {gate["name"]: gate for gate in manifest["gates"]}
    assert {"eager-traced", "fold_branches", "deploy-form", "onnx-simplified", "tvm-host", "bundle"} <= gates.keys()
    assert all(gate["error"] <= gate["tolerance"] for gate in gates.values())
    assert gates["bundle"]["tolerance"] <= 1e-4
    assert manifest["golden"]["source"] == "torch"
    assert manifest["target"]["cpu"] == "cortex-a72"
    library = bytearray((tmp_path / "student.rdp" / "model.so").read_bytes())
    library[len(library) // 2] ^= 1
    (tmp_path / "student.rdp" / "model.so").write_bytes(library)
    assert run(["verify", bundle]) == 8


@pytest.mark.slow
@needs_board
def test_a_pretrained_efficientnet_loses_its_shortcuts_exactly_and_still_knows_the_photographs(tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra [zoo] is not installed")
    from benchmarks.efficientnet_lite0 import EXPECTED, photograph, pretrained

    model = pretrained()
    before = Untouched(model)
    photographs = {name: photograph(name) for name in EXPECTED}
    conversion = rdpass.convert(model, photographs["chelsea"], recipe="carry")
    assert [outcome.how for outcome in conversion.outcomes] == ["carried"] * 9
    assert conversion.cost.macs <= 1.3 * conversion.plan.forecast.model.macs
    for image in (*photographs.values(), torch.cat(list(photographs.values()))):
        assert error_between(conversion.student, model, image) <= 1e-5
    before.check()
    with pytest.raises(rdpass.core.errors.NothingToConvert):
        rdpass.convert(conversion.student, photographs["chelsea"])
    path = conversion.export_onnx(tmp_path / "student.onnx")
    bundle = rdpass.compile(path, target=BOARD, out=tmp_path / "student.rdp")
    for name, expected in EXPECTED.items():
        given, got = tmp_path / f"{name}.npy", tmp_path / f"{name}-out.npy"
        np.save(given, photographs[name].numpy())
        assert run(["run", str(bundle.folder), str(given), "-o", str(got)]) == 0
        logits = np.load(got)
        assert logits.argmax() == expected
        with torch.no_grad():
            wanted = model(photographs[name]).numpy()
        assert np.abs(logits - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_a_conversion_runs_on_this_host_from_numpy_to_numpy(tmp_path):
    model = trained()
    example = loaders()[1].images[:1]
    conversion = rdpass.convert(model, example, recipe="carry", max_macs=2.5)
    assert len(conversion.removed) == 9
    bundle = rdpass.compile(conversion.export_onnx(tmp_path / "s.onnx"), out=tmp_path / "s.rdp")
    network = rdpass.load(bundle.folder)
    with torch.no_grad():
        expected = model(example).numpy()
    assert np.abs(network(example.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()
