"""``--preprocess`` and the other options of what is compiled around a network, and an image run through it."""

import json
import subprocess

import numpy as np
import onnx
import pytest
from PIL import Image

from rdpass.cli.app import run
from rdpass.cli.processing_options import Postprocess, processing_by
from rdpass.core.images import read_image
from rdpass.core.processing import Processing
from rdpass.onnx.golden import golden_path
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from tests.cli.given import INPUT, RESNET, failure

OPTIONS = ("--preprocess", "uint8,nhwc,mean=0.4,0.5,0.6,std=0.2,0.25,0.3", "--postprocess", "softmax")
NAMES = ("--input-name", "image", "--output-name", "scores")


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    file = tmp_path_factory.mktemp("labels") / "labels.txt"
    file.write_text("cat\ndog\nbus\ntram\n")
    return file


def test_options_say_what_is_done(labels):
    given = processing_by("uint8,nchw", Postprocess.argmax, labels, (["image"], None), None)
    assert given == Processing(
        "nchw", postprocess="argmax", labels=("cat", "dog", "bus", "tram"), input_names=("image",)
    )
    assert processing_by(None, None, None, (None, None), None) is None


@pytest.fixture(scope="module")
def exported(tmp_path_factory, labels):
    """A network and, beside it, the same with its processing."""
    folder = tmp_path_factory.mktemp("exported")
    for name, options in (("plain", ()), ("whole", (*OPTIONS, *NAMES, "--labels", str(labels)))):
        assert run(["export", RESNET, *INPUT, *options, "-o", str(folder / f"{name}.onnx")]) == 0
    return folder


def test_an_exported_network_takes_bytes_and_gives_what_the_plain_one_gives(exported):
    whole = read_onnx(exported / "whole.onnx")
    assert [(spec.name, spec.shape, spec.dtype) for spec in (*whole.inputs, *whole.outputs)] == [
        ("image", (1, 8, 8, 3), "uint8"),
        ("scores", (1, 4), "float32"),
    ]
    assert [gate.name for gate in whole.gates] == ["deploy-form", "onnx", "onnx-simplified", "processing"]
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), np.uint8)
    floats = np.float32((image / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.25, 0.3]).transpose(0, 3, 1, 2)
    powers = np.exp(run_onnx(onnx.load(exported / "plain.onnx"), [floats])[0])
    np.testing.assert_allclose(run_onnx(whole.reference, [image])[0], powers / powers.sum(), rtol=1e-4)
    assert golden_path(exported / "whole.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_a_bundle_of_it_names_what_is_on_an_image(exported, labels, tmp_path, runtime, capfd):
    bundle = tmp_path / "student.rdp"
    command = ["compile", str(exported / "plain.onnx"), *OPTIONS, *NAMES, "--labels", str(labels)]
    assert run([*command, "--runtime", runtime, "-o", str(bundle), "--json"]) == 0
    manifest = json.loads(capfd.readouterr().out)
    assert manifest["processing"]["labels"] == ["cat", "dog", "bus", "tram"]
    assert {"processing", "tvm-host", "bundle"} <= {gate["name"] for gate in manifest["gates"]}
    for file in ("README.txt", *(["rdpass_model.h"] if runtime == "none" else [])):
        assert "The first input is an image in bytes (NHWC" in (bundle / file).read_text()
    photo = tmp_path / "cat.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)).save(photo)
    assert run(["run", str(bundle), str(photo)]) == 0
    lines = [line.split("  ") for line in capfd.readouterr().out.splitlines()]
    whole = read_onnx(exported / "whole.onnx")
    wanted = run_onnx(whole.reference, [read_image(photo, 3, (8, 8))[None]])[0][0]
    assert [label for _, label in lines] == [("cat", "dog", "bus", "tram")[index] for index in np.argsort(-wanted)]
    np.testing.assert_allclose([float(score) for score, _ in lines], np.sort(wanted)[::-1], atol=2e-4)
    Image.open(photo).save(tmp_path / "cat.ppm")
    done = subprocess.run([bundle / "run", tmp_path / "cat.ppm"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["  ".join(line) for line in lines]
    assert "./run PHOTO." in (bundle / "README.txt").read_text()
    np.save(tmp_path / "x.npy", read_image(photo, 3, (8, 8))[None])
    assert run(["run", str(bundle), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[0], wanted, rtol=1e-4)
    piped = f"cat {tmp_path}/x.npy | {bundle}/run /dev/stdin {tmp_path}/z.npy"
    subprocess.run(["sh", "-c", piped], check=True)
    assert (tmp_path / "z.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_what_is_wrong_is_told_before_anything_is_built(exported, labels, tmp_path, capsys):
    plain, out = exported / "plain.onnx", ("-o", tmp_path / "out.rdp")
    for options, said in (
        (("--preprocess", "uint8"), "does not say uint8 and a layout"),
        (("--labels", tmp_path / "gone.txt"), "gone.txt can't be read"),
        (("--labels", labels, "--mean", "0.5"), "--data is for a run folder"),
    ):
        code, line = failure(capsys, "compile", plain, *options, *out)
        assert code == 2
        assert said in line
    assert not (tmp_path / "out.rdp").exists()


def test_an_export_whose_processing_does_not_fit_leaves_what_was_there(exported, labels, tmp_path, capsys):
    (tmp_path / "three.txt").write_text("a\nb\nc\n")
    (tmp_path / "net.onnx").write_text("mine")
    for force in ((), ("--force",)):
        out = tmp_path / ("net.onnx" if force else "new.onnx")
        code, line = failure(capsys, "export", RESNET, *INPUT, "--labels", tmp_path / "three.txt", "-o", out, *force)
        assert code == 2
        assert "3 labels" in line
    assert (tmp_path / "net.onnx").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "three.txt"]
