"""A trained student is an ordinary module: saved, loaded, copied, compiled, trained by several processes."""

import copy
import io
import pickle

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import rdpass
from rdpass.training.config import DistillConfig
from rdpass.training.options import StudentOptions
from tests.data import batches
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
)
from tests.support import error_between
from tests.training.test_world import finish, torchrun

EXAMPLE = torch.randn(1, 3, 8, 8)


def every_kind():
    gated = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), SqueezeExcite(8))
    return classifier(
        bottleneck(8, 4), bottleneck(8, 4, groups=2, stride=2), Residual(gated, None, nn.ReLU()),
        inverted_residual(8, 12), PreActivation(8), classes=4,
    )  # fmt: skip


def student(recipe="migrate", seed=0, **options):
    config = DistillConfig(epochs=1, lr=0.01, student=StudentOptions(**options))
    model = seeded(every_kind, seed)
    return rdpass.convert(
        model, EXAMPLE, recipe=recipe, train=batches(2), config=config, show_progress=False
    ).student  # fmt: skip


HOW = {"migrate": {}, "dirac": {"recipe": "kd", "initialise": "dirac"}}


@pytest.fixture(scope="module", params=HOW)
def how(request):
    return HOW[request.param]


@pytest.fixture(scope="module")
def trained(how):
    return student(**how)


def test_weights_saved_as_safetensors_load_into_a_student_converted_anew(trained, how, tmp_path):
    save_file(trained.state_dict(), tmp_path / "student.safetensors")
    other = student(seed=1, **how)
    assert error_between(other, trained, EXAMPLE) > 1e-3
    other.load_state_dict(load_file(tmp_path / "student.safetensors"), strict=True)
    assert error_between(other, trained, EXAMPLE) == 0


def test_copies_and_pickles_compute_the_same(trained):
    buffer = io.BytesIO()
    torch.save(trained, buffer)
    buffer.seek(0)
    for twin in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained)), torch.load(buffer, weights_only=False)):
        assert error_between(twin, trained, EXAMPLE) == 0
        assert twin.state_dict().keys() == trained.state_dict().keys()


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_takes_it_whole(trained, backend):
    compiled = torch.compile(trained, backend=backend, fullgraph=True)
    with torch.no_grad():
        for x in (EXAMPLE, torch.randn(3, 3, 8, 8)):
            wanted = trained(x)
            assert (compiled(x) - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def gradients_of(model, module):
    """The gradients of ``model`` by name after a backward pass through ``module``, which may wrap it."""
    model.zero_grad(set_to_none=True)
    module(torch.linspace(-1, 1, 4 * 3 * 64).reshape(4, 3, 8, 8)).square().mean().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_ddp_wraps_it_and_finds_a_gradient_for_every_parameter(trained, tmp_path):
    model = copy.deepcopy(trained).requires_grad_(True)
    alone = gradients_of(model, model)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(model)
        for _ in range(2):  # a parameter that got no gradient in the first pass fails the second
            together = gradients_of(model, wrapped)
    finally:
        dist.destroy_process_group()
    assert together.keys() == alone.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(together[name], alone[name]) for name in alone)


WRAPPED = """
import os
import sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
model = torch.load(sys.argv[1], weights_only=False)
x = torch.load(sys.argv[2], weights_only=True).tensor_split(2)[dist.get_rank()]
wrapped = DistributedDataParallel(model)  # without a name it would be gone, its hooks too, before the backward pass
wrapped(x).square().mean().backward()
if dist.get_rank() == 0:
    torch.save({name: p.grad for name, p in model.named_parameters()}, sys.argv[1] + ".gradients")
dist.barrier()  # who leaves first may abort the other's threads
dist.destroy_process_group()
os._exit(0)  # torch's own may still run while the interpreter takes them down, and abort
"""


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_their_rows_together(trained, tmp_path):
    model, x = copy.deepcopy(trained), torch.randn(6, 3, 8, 8)
    script = tmp_path / "wrapped.py"
    script.write_text(WRAPPED)
    torch.save(model, tmp_path / "student.pt")
    torch.save(x, tmp_path / "x.pt")
    finish(torchrun(str(script), tmp_path / "student.pt", tmp_path / "x.pt"))
    model(x).square().mean().backward()
    together = torch.load(tmp_path / "student.pt.gradients", weights_only=True)
    for name, parameter in model.named_parameters():
        assert (together[name] - parameter.grad).abs().max() <= 1e-5 * parameter.grad.abs().max().clamp_min(1e-6), name
