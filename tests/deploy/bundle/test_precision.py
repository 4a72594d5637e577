"""A bundle in the precision that was asked for, or a refusal that says what to do; and how it runs, whichever it is."""

import json
import subprocess

import numpy as np
import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, IntegrityError, TargetError
from rdpass.core.files import file_digest
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.runner import load
from rdpass.deploy.bundle.verification import verify
from rdpass.onnx.integer_oracle import integer_run
from rdpass.targets.features import Feature
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target, host_target, with_byte_products
from rdpass.targets.toolchain import find_launcher
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
    layers = [kernel["name"] for kernel in manifest.kernels if "quantize" not in kernel["name"]]
    assert {name.split("_")[0] for name in layers} == {byte}
    assert len(layers) == 2
    assert not [note for note in manifest.notes if "float32" in note]
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


# Images and outputs of bytes


def image_model(image="uint8", kind="uint8"):
    """From an image of bytes to a map of bytes, and to its numbers."""
    net = QdqNet((1, 3, 17, 15), kind=kind)
    x = net.image_of_bytes("x0", kind=image, zero=3)
    x = net.quantised(net.relu(net.layer(x, "Conv", (20, 3, 3, 3), 0, strides=[2, 2], pads=[1] * 4)), 0.05)
    return net.integers_out(net.quantised(net.layer(x, "Conv", (18, 20, 1, 1), 0), 0.04))


@pytest.mark.parametrize(
    ("target", "runtime", "image", "kind"),
    [
        ("host", "vm", "uint8", "uint8"), ("host", "none", "int8", "uint8"), ("rpi4", "none", "uint8", "uint8"),
        ("rpi5", "vm", "uint8", "int8"),
    ],
)  # fmt: skip
def test_images_and_outputs_of_bytes_go_in_and_out_as_they_are(target, runtime, image, kind, tmp_path, capfd):
    if target != "host":
        emulated(target)
    model, folder = image_model(image, kind), tmp_path / "b"
    manifest = compile(model, target, folder, runtime=runtime, show_progress=False).manifest
    assert [spec.dtype for spec in (*manifest.inputs, *manifest.outputs)] == [image, kind]
    assert {gate.name: gate.error for gate in manifest.gates if gate.name != "onnxruntime"} == {
        "tvm-host": 0.0, "bundle": 0.0
    }  # fmt: skip
    assert any("quantized_stem" in kernel["name"] for kernel in manifest.kernels)
    assert verify(folder).error == 0.0
    info = np.iinfo(image)
    x = np.random.default_rng(5).integers(info.min, info.max, (1, 3, 17, 15), image, endpoint=True)
    np.save(tmp_path / "x.npy", x)
    assert run(["run", str(folder), str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]) == 0
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == kind
    assert np.array_equal(y, integer_run(model, [x])[0])
    assert len(np.unique(y)) > 20
    if (target, runtime) == ("host", "vm"):
        assert np.array_equal(load(folder)(x), y)
    if runtime == "none":
        header = (folder / "rdpass_model.h").read_text()
        assert f"input 0: {image}, 1 x 3 x 17 x 15" in header
        assert f"output 0: {kind}, 1 x 18 x 9 x 8" in header
        assert f"INPUT_0_BYTES {3 * 17 * 15}\n" in header


@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_numbers_of_another_type_are_refused_by_name(runtime, tmp_path, capfd):
    folder = tmp_path / "b"
    compile(image_model(), "host", folder, runtime=runtime, show_progress=False)
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 17, 15), np.float32))
    assert run(["run", str(folder), str(tmp_path / "x.npy")]) == 2
    assert "input 'x0' (uint8 (1, 3, 17, 15)) was given float32" in capfd.readouterr().err
    done = subprocess.run([folder / "run", tmp_path / "x.npy", tmp_path / "y.npy"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 2
    assert "holds {'descr': '<f4'" in done.stderr
    assert "but 'x0' is {'descr': '|u1'" in done.stderr
    if runtime == "vm":
        with pytest.raises(ConfigError, match=r"'x0' \(uint8 .* was given int8"):
            load(folder)(np.zeros((1, 3, 17, 15), np.int8))


# Threads


@pytest.mark.parametrize("runtime", ["vm", "none"])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_any_number_of_threads_gives_equal_bytes(precision, runtime, tmp_path):
    target = emulated("rpi5")
    model = quantised_model() if precision == "int8" else float_model()
    folder = compile(model, "rpi5", tmp_path / "b", runtime=runtime, show_progress=False).folder
    golden = folder / "golden" / "input_0.npy"
    for threads in ("1", "2", "4"):
        command = [*find_launcher(target), folder / "run", golden, tmp_path / f"{threads}.npy", "--threads", threads]
        subprocess.run(command, check=True, env={"TVM_THREAD_POOL_SPIN_COUNT": "0"})
    assert len({file_digest(path) for path in tmp_path.glob("*.npy")}) == 1
    assert run(["verify", str(folder)]) == run(["bench", str(folder), "--runs", "2", "--threads", "2"]) == 0


# What a CPU needs


@pytest.mark.parametrize(
    ("model", "target", "precision", "needed"),
    [
        (float_model, "rpi4", None, {"asimd"}),
        (quantised_model, "rpi4", None, {"asimd"}),
        (quantised_model, "rpi5", None, {"asimd", "asimddp"}),
        (float_model, "rpi5", "fp16", {"asimd", "asimdhp"}),
    ],
)
def test_a_bundle_lists_what_its_kernels_need(model, target, precision, needed, tmp_path):
    emulated(target)
    folder = compile(model(), target, tmp_path / "b", precision=precision, show_progress=False).folder
    listed = set(json.loads((folder / "manifest.json").read_text())["target"]["features"])
    assert needed <= listed
    assert listed == set(find_target(target).features)
    assert target != "rpi4" or listed == {"asimd"}


def test_a_cpu_without_dot_products_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    emulated("rpi5")
    folder = compile(quantised_model(), "rpi5", tmp_path / "b", show_progress=False).folder
    command, _, _, *options = find_launcher(find_target("rpi5"))
    done = subprocess.run([command, "-cpu", "cortex-a72", *options, folder / "run", "--verify"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 8
    assert "this CPU has no asimddp" in done.stderr
    launcher = find_launcher(find_target("rpi4"))
    monkeypatch.setattr("rdpass.deploy.bundle.verification.find_launcher", lambda target: launcher)
    with pytest.raises(IntegrityError, match="no asimddp"):
        verify(folder)


def test_on_this_host_a_network_of_bytes_needs_what_multiplies_them_and_one_of_floats_does_not(tmp_path, monkeypatch):
    products = {Feature.AVX512_VNNI, Feature.AVX_VNNI}
    native = compile(float_model(), "host", tmp_path / "floats", show_progress=False)
    assert products.isdisjoint(native.manifest.target["features"])
    folder = compile(quantised_model(), "host", tmp_path / "bytes", show_progress=False).folder
    here = with_byte_products(host_target())
    needed = {m.feature for m in isa_of(here).multiplies if m.feature in products}
    assert needed == products & set(load(folder).manifest.target["features"])
    for feature in needed:
        monkeypatch.setattr("rdpass.deploy.bundle.runner.cpu_features", lambda gone=feature: {*here.features} - {gone})
        with pytest.raises(IntegrityError, match=f"this one has no {feature}"):
            load(folder)
        load(native.folder)


@pytest.mark.parametrize("runtime", ["vm", "none"])
def test_the_program_refuses_a_host_without_them_too(runtime, tmp_path, monkeypatch):
    """This very program, on a machine that lacks a word of its list."""
    monkeypatch.setattr("rdpass.deploy.precision.with_byte_products", lambda target: _with(target, "avx_of_tomorrow"))
    with pytest.raises(IntegrityError, match="this CPU has no avx_of_tomorrow"):
        compile(quantised_model(), "host", tmp_path / "b", runtime=runtime, show_progress=False)


def _with(target, feature):
    here = with_byte_products(target)
    return type(here)(**{**here.__dict__, "features": (*here.features, feature)})
