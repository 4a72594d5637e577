"""An exact student is a module like any other: saved, loaded, copied, compiled, trained, exported."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import rdpass
from rdpass.passes.graph.layers import ChannelClamp, MaskedActivation
from tests.models import PreActivation, Residual, SqueezeExcite, classifier, conv_bn, inverted_residual, seeded
from tests.support import error_between

EXAMPLE = torch.randn(2, 3, 8, 8)


def mobile():
    """Clamps, slopes, a mask, a pinned gate and an entry: every form that carrying takes."""
    gated = nn.Sequential(
        *conv_bn(4, 8, 1), nn.Hardswish(), *conv_bn(8, 8, groups=8), nn.SiLU(), SqueezeExcite(8), *conv_bn(8, 4, 1)
    )
    sloped = nn.Sequential(*conv_bn(4, 4), nn.PReLU(4), *conv_bn(4, 4))
    return classifier(inverted_residual(4, 8), Residual(gated), Residual(sloped), PreActivation(4), channels=4)


def exact(seed=0):
    return rdpass.convert(seeded(mobile, seed), EXAMPLE, recipe="carry", max_macs=100)


@pytest.fixture(scope="module")
def conversion():
    return exact()


def test_every_form_of_carrying_is_in_it(conversion):
    assert [outcome.how for outcome in conversion.outcomes] == ["carried"] * 4
    kinds = {type(module) for module in conversion.student.modules()}
    assert {ChannelClamp, MaskedActivation, nn.PReLU} <= kinds
    assert any(name.endswith("_entry") for name, _ in conversion.student.named_modules())


def test_weights_saved_as_safetensors_load_into_a_student_converted_anew(conversion, tmp_path):
    save_file(conversion.student.state_dict(), tmp_path / "student.safetensors")
    other = exact(seed=1).student
    assert error_between(other, conversion.student, EXAMPLE) > 1e-3
    other.load_state_dict(load_file(tmp_path / "student.safetensors"), strict=True)
    assert error_between(other, conversion.student, EXAMPLE) == 0


def test_copies_and_pickles_compute_the_same(conversion):
    buffer = io.BytesIO()
    torch.save(conversion.student, buffer)
    buffer.seek(0)
    twins = [
        copy.deepcopy(conversion.student),
        pickle.loads(pickle.dumps(conversion.student)),
        torch.load(buffer, weights_only=False),
    ]
    for twin in twins:
        assert error_between(twin, conversion.student, EXAMPLE) == 0
        assert twin.state_dict().keys() == conversion.student.state_dict().keys()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile_takes_it_whole(conversion, backend):
    compiled = torch.compile(conversion.student, backend=backend, fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(compiled(EXAMPLE), conversion.student(EXAMPLE), rtol=0, atol=1e-5)


def test_it_can_be_trained_further(conversion):
    student = copy.deepcopy(conversion.student).train()
    loss = student(EXAMPLE).square().sum()
    loss.backward()
    gradients = [parameter.grad for parameter in student.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_it_moves_between_types(conversion):
    student = copy.deepcopy(conversion.student).double()
    with torch.no_grad():
        wanted = conversion.student(EXAMPLE).double()
        assert (student(EXAMPLE.double()) - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_converting_an_exact_student_again_finds_nothing(conversion):
    with pytest.raises(rdpass.core.errors.NothingToConvert):
        rdpass.convert(conversion.student, EXAMPLE)


@pytest.mark.slow
def test_masks_clamps_and_gates_survive_export_and_tvm(conversion, tmp_path):
    onnx = conversion.export_onnx(tmp_path / "student.onnx")
    bundle = rdpass.compile(onnx, target="host", out=tmp_path / "student.rdp")
    got = rdpass.load(bundle.folder)(EXAMPLE.numpy())
    with torch.no_grad():
        wanted = conversion.teacher(EXAMPLE).numpy()
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()
