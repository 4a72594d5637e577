"""Quantised files, ours and those of others: which kernels compute them, and what is said of the rest."""

import re

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.quantization import QuantFormat, quantize_static
from torch import nn
from torch.ao import quantization

import rdpass
from rdpass.deploy.bundle.building import compile
from tests.onnx.normalise.test_qoperators import TYPES, Images
from tests.passes.quantize.nets import images, plain_student, residual


def student_images():
    return np.concatenate([feed[0] for feed in images((1, 3, 9, 9))])


def floats_of(manifest):
    """Kernels of floats; those that only make bytes of an image, f32_u8_quantize, are none."""
    return [kernel for kernel in manifest.kernels if re.match("f32_(?![us]8_)", kernel["name"])]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("types", ["u8s8", "s8s8"])
def test_a_file_of_onnxruntimes_quantiser_gives_its_integers(form, types, tmp_path):
    onnx.save(residual(), tmp_path / "float.onnx")
    activations, weights = TYPES[types]
    quantize_static(
        str(tmp_path / "float.onnx"), str(tmp_path / "int8.onnx"), Images((1, 3, 11, 9)), per_channel=True,
        quant_format=QuantFormat[form], activation_type=activations, weight_type=weights,
    )  # fmt: skip
    manifest = compile(tmp_path / "int8.onnx", "host", tmp_path / "b", show_progress=False).manifest
    assert manifest.golden["source"] == "integers"
    assert all(gate.error == 0 for gate in manifest.gates if gate.name in ("tvm-host", "bundle"))
    kinds = {kernel["name"].split("_")[0] for kernel in manifest.kernels if "direct" in kernel["name"]}
    assert kinds <= {"u8", "s8"}
    assert kinds


@pytest.mark.slow
def test_what_is_computed_in_float32_is_said_with_its_share_of_the_work(tmp_path):
    options = {"calibrate": student_images(), "calibrator": "minmax", "show_progress": False}
    kept = rdpass.quantize(plain_student(), keep_worst=2, **options)
    whole = rdpass.quantize(plain_student(), **options)
    notes = []
    for index, result in enumerate((kept, whole)):
        manifest = compile(result.model, "host", tmp_path / f"{index}.rdp", show_progress=False).manifest
        convolutions = [
            kernel for kernel in floats_of(manifest) if "direct" in kernel["name"] or "winog" in kernel["name"]
        ]
        assert len(convolutions) > 0 or index == 1
        share = sum(kernel["share"] for kernel in floats_of(manifest))
        notes.append((share, [note for note in manifest.notes if "float32" in note]))
    assert notes[0][0] > notes[1][0] + 0.1
    assert f"{notes[0][0]:.1%} of all work is computed in float32" in notes[0][1][0]
    assert bool(notes[1][1]) == (notes[1][0] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_a_wide_diagonal_is_computed_whatever_kernel_takes_it(activations, tmp_path):
    place = tmp_path / "int8.onnx"
    result = rdpass.quantize(plain_student(), calibrate=student_images(), calibrator="minmax", out=place,
                             activations=activations, diagonal=True, show_progress=False)  # fmt: skip
    assert len(result.report.widened) == 4
    manifest = compile(place, "host", tmp_path / "b.rdp", show_progress=False).manifest
    assert [gate.name for gate in manifest.gates][-2:] == ["tvm-host", "bundle"]
    assert bool(floats_of(manifest)) == any("float32" in note for note in manifest.notes)


class Trained(nn.Module):
    """A block as torch's eager mode quantises it."""

    def __init__(self):
        super().__init__()
        self.q, self.d = quantization.QuantStub(), quantization.DeQuantStub()
        self.a, self.b, self.c = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 1, 1), nn.Conv2d(16, 16, 3, 1, 1)
        self.relu, self.f = nn.ReLU(), torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x):
        x = self.relu(self.a(self.q(x)))
        return self.d(self.f.add_relu(x, self.c(self.relu(self.b(x)))))


def trained_with_fake_quantisation(place):
    """An export of torch's: weights quantised in the graph, biases in float, a Relu behind its quantisation."""
    fake, observer = quantization.FakeQuantize, quantization.observer
    torch.manual_seed(0)
    model = Trained().train()
    model.qconfig = quantization.QConfig(
        activation=fake.with_args(observer=observer.MovingAverageMinMaxObserver, quant_min=0, quant_max=255,
                                  dtype=torch.quint8, qscheme=torch.per_tensor_affine),
        weight=fake.with_args(observer=observer.MovingAveragePerChannelMinMaxObserver, quant_min=-128, quant_max=127,
                              dtype=torch.qint8, qscheme=torch.per_channel_symmetric, ch_axis=0),
    )  # fmt: skip
    quantization.prepare_qat(model, inplace=True)
    model(torch.randn(4, 3, 16, 16))
    model.eval().apply(quantization.disable_observer)
    torch.onnx.export(
        model, (torch.randn(1, 3, 16, 16),), str(place), input_names=["x"], opset_version=17, dynamo=False
    )


@pytest.mark.slow
def test_a_network_that_torch_trained_with_fake_quantisation_gives_its_integers(tmp_path):
    trained_with_fake_quantisation(tmp_path / "qat.onnx")
    stored = onnx.load(tmp_path / "qat.onnx")
    weights = {tensor.name for tensor in stored.graph.initializer if len(tensor.dims) == 4}
    assert sum(node.op_type == "QuantizeLinear" and node.input[0] in weights for node in stored.graph.node) == 3
    manifest = compile(tmp_path / "qat.onnx", "host", tmp_path / "b", show_progress=False).manifest
    assert all(gate.error == 0 for gate in manifest.gates if gate.name in ("tvm-host", "bundle"))
    assert floats_of(manifest) == []
    assert manifest.notes == ()
