"""Batch norms over all processes: two halves give what one gives on the whole; alone, nothing is touched."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from rdpass.training.synchronised_norm import synchronised_norms
from rdpass.training.world import World

SHAPES = {1: (10, 4), 2: (10, 4, 7), 3: (10, 4, 5, 3)}


def norm_of(axes, **options):
    torch.manual_seed(axes)
    norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}[axes](4, **options)
    if norm.affine:
        nn.init.uniform_(norm.weight, 0.5, 1.5), nn.init.normal_(norm.bias)
    return norm


CASES = [(1, {}), (2, {"momentum": None}), (3, {}), (3, {"affine": False}), (3, {"track_running_stats": False})]


def result(norm, x):
    """Outputs, gradients and statistics of a step."""
    x = x.clone().requires_grad_(True)
    y = norm(x)
    (y * torch.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos()[: len(y)]).sum().backward()
    return {"y": y.detach(), "x": x.grad, **{name: value.clone() for name, value in norm.state_dict().items()}}


def half(rank, place, case):
    axes, options = CASES[case]
    dist.init_process_group("gloo", init_method=f"file://{place}/store{case}", rank=rank, world_size=2)
    norm, x = norm_of(axes, **options), torch.load(f"{place}/x{case}.pt")
    with synchronised_norms(norm, World(rank, 2)):
        first = norm(x.tensor_split([3])[rank])
        norm.eval()
        still = norm(x)
        norm.train()
    torch.save((first.detach(), still.detach(), norm.state_dict()), f"{place}/done{case}.{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(CASES)))
def test_unequal_halves_give_the_outputs_and_statistics_of_the_whole(case, tmp_path):
    axes, options = CASES[case]
    x = torch.randn(SHAPES[axes])
    torch.save(x, tmp_path / f"x{case}.pt")
    mp.spawn(half, (str(tmp_path), case), nprocs=2)
    whole = norm_of(axes, **options)
    wanted = whole(x).detach()
    parts = [torch.load(tmp_path / f"done{case}.{rank}.pt") for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), wanted, rtol=1e-4, atol=1e-5)
    for _, still, state in parts:
        torch.testing.assert_close(still, whole.eval()(x).detach(), rtol=1e-4, atol=1e-5)
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_process_group_of_one_computes_what_torch_computes_gradients_included(case, tmp_path):
    axes, options = CASES[case]
    plain, x = norm_of(axes, **options), torch.randn(SHAPES[axes])
    ours = copy.deepcopy(plain)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with synchronised_norms(ours, World(0, 2)):  # a world that is said to have two, of which one is here
            got = result(ours, x)
    finally:
        dist.destroy_process_group()
    for name, value in result(plain, x).items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5)


def test_alone_and_afterwards_the_modules_are_as_they_were():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with synchronised_norms(model, World()):
        assert "forward" not in vars(model[1])

    def failing():
        with synchronised_norms(model, World(0, 2)):
            assert "forward" in vars(model[1])
            assert "forward" not in vars(model[0])
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        failing()
    assert "forward" not in vars(model[1])
