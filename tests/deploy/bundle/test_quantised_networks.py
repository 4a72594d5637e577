"""Whole networks quantised and compiled: integers from the image to the classes, the same on emulated cores."""

import numpy as np
import pytest
import torch

import rdpass
from benchmarks.networks import architecture, with_random_weights
from rdpass.deploy.bundle.building import compile
from tests.kernels.integers import emulated

PIXELS = 64


def quantised(name, folder):
    images = torch.randn((6, 3, PIXELS, PIXELS), generator=torch.Generator().manual_seed(0))
    network, path = with_random_weights(architecture(name)), folder / f"{name}.onnx"
    rdpass.quantize(
        network, images[:1], calibrate=images, calibrator="minmax", rounding="nearest", out=path, show_progress=False
    )
    return path


def is_integers(manifest):
    """Kernels of bytes alone, and the very numbers of the network's integers, here and on the core."""
    assert {kernel["name"].split("_")[0] for kernel in manifest.kernels} == {"s8"}
    assert sum(fallback["share"] for fallback in manifest.fallbacks) < 5e-3  # the classes, as floats
    errors = {gate.name: gate.error for gate in manifest.gates}
    return errors["bundle"] == errors["tvm-host"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target", "runtime"),
    [("resnet50", "rpi4", "none"), ("mobilenet_v2", "rpi5", "vm"), ("resnet18", "rpi5", "none")],
)
def test_a_network_is_integers_from_its_image_to_its_classes(name, target, runtime, tmp_path):
    emulated(target)
    path = quantised(name, tmp_path)
    assert is_integers(compile(path, target, tmp_path / "b", runtime=runtime, show_progress=False).manifest)


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    """The pretrained network quantised on photographs, and their classes."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("skimage")
    from benchmarks.efficientnet_lite0.model import pretrained
    from benchmarks.efficientnet_lite0.photographs import EXPECTED, photograph

    images = {name: photograph(name) for name in EXPECTED}
    path = tmp_path_factory.mktemp("lite0") / "lite0.onnx"
    rdpass.quantize(
        pretrained(), images["chelsea"], calibrate=torch.cat([*images.values()]), validate=images["coffee"],
        calibrator="minmax", rounding="nearest", out=path, show_progress=False,
    )  # fmt: skip
    return path, {name: (image.numpy(), EXPECTED[name]) for name, image in images.items()}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["host", "rpi5"])
def test_photographs_keep_their_classes_in_bytes(lite0, target, tmp_path):
    path, photographs = lite0
    if target != "host":
        emulated(target)
    bundle = compile(path, target, tmp_path / "b", show_progress=False)
    letter = "u8" if target == "host" else "s8"
    assert {kernel["name"].split("_")[0] for kernel in bundle.manifest.kernels} == {letter}
    for image, expected in photographs.values() if target == "host" else ():
        assert int(np.argmax(rdpass.load(bundle.folder)(image))) == expected


@pytest.mark.slow
def test_photographs_keep_their_classes_in_half_precision(lite0, tmp_path):
    from benchmarks.efficientnet_lite0.model import pretrained
    from rdpass.onnx.export import export_onnx

    emulated("rpi5")
    _, photographs = lite0
    image, expected = photographs["chelsea"]
    export_onnx(pretrained(), (torch.from_numpy(image),), tmp_path / "lite0.onnx")
    bundle = compile(tmp_path / "lite0.onnx", "rpi5", tmp_path / "b", precision="fp16", show_progress=False)
    golden = np.load(bundle.folder / bundle.manifest.golden["outputs"][0])
    assert int(np.argmax(golden)) == expected
    lead = 1 - np.sort(golden.ravel())[-2] / golden.max()
    assert bundle.manifest.gates[-1].error < min(5e-3, lead / 4)  # so the second class can't be taken for the first
