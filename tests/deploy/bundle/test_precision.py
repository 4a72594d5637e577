"""A bundle in the precision that was asked for, or a refusal that says what to do."""

import pytest

from rdpass.core.errors import ConfigError, TargetError
from rdpass.deploy.bundle.building import compile
from tests.kernels.integers import emulated
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet


def float_model():
    net = Net((1, 16, 9, 7))
    x = net.relu(net.conv("x0", 16, 24, 3))
    return net.model(net.add(net.conv(x, 24, 24, 3), x))


def quantised_model():
    net = QdqNet((1, 20, 9, 7))
    x = net.quantised(net.relu(net.layer(net.quantised("x0"), "Conv", (24, 20, 3, 3), 0, pads=[1] * 4)))
    return net.model(net.quantised(net.layer(x, "Conv", (18, 24, 1, 1), 0)))


@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_float16_is_held_against_onnxruntime_under_emulation(runtime, tmp_path):
    emulated("rpi5")
    bundle = compile(float_model(), "rpi5", tmp_path / "b", runtime=runtime, precision="fp16", show_progress=False)
    manifest = bundle.manifest
    assert manifest.precision == "fp16"
    assert {kernel["name"].split("_")[0] for kernel in manifest.kernels} == {"f16"}
    gate = manifest.gates[-1]
    assert (gate.name, gate.tolerance) == ("bundle", 2e-2)
    assert 0 < gate.error < 5e-3


@pytest.mark.parametrize(
    ("target", "runtime", "byte"), [("host", "vm", "u8"), ("rpi4", "none", "s8"), ("rpi5", "vm", "s8")]
)
def test_a_quantised_network_gives_its_integers_to_the_last_bit(target, runtime, byte, tmp_path):
    if target != "host":
        emulated(target)
    manifest = compile(quantised_model(), target, tmp_path / "b", runtime=runtime, show_progress=False).manifest
    assert manifest.precision == "int8"
    assert manifest.golden["source"] == "integers"
    assert {kernel["name"].split("_")[0] for kernel in manifest.kernels} == {byte}
    assert {gate.name: gate.error for gate in manifest.gates if gate.name != "onnxruntime"} == {
        "tvm-host": 0.0, "bundle": 0.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "target", "precision", "error", "remedy"),
    [
        (float_model, "rpi4", "fp16", TargetError, "asimdhp"),
        (float_model, "host", "fp16", TargetError, "asimdhp"),
        (float_model, "rpi5", "int8", ConfigError, "rdpass quantize"),
        (quantised_model, "rpi5", "fp16", ConfigError, "float network"),
        (float_model, "rpi5", "bf16", ConfigError, "fp16"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_built(model, target, precision, error, remedy, tmp_path):
    with pytest.raises(error, match=remedy):
        compile(model(), target, tmp_path / "b", precision=precision)
    assert not [*tmp_path.iterdir()]
