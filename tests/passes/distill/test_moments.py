"""Means and covariances of maps over data, against numpy-like formulas over all samples at once."""

import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.passes.distill.moments import Probe, gather_moments
from tests.models import conv_bn, seeded

X = torch.randn(12, 3, 6, 5) * 3 + 100


def network():
    return symbolic_trace(seeded(lambda: nn.Sequential(*conv_bn(3, 4, stride=2), nn.ReLU())))


def samples(*maps):
    return torch.cat(maps, 1).transpose(0, 1).flatten(1).double()


def test_moments_are_those_of_all_positions_of_all_batches_whatever_their_size():
    graph_module = network()
    probe = Probe((("_2", (1, 1)),))
    found = gather_moments(graph_module, [probe], [(X[:5],), (X[5:6],), (X[6:],)])[probe]
    with torch.no_grad():
        wanted = samples(graph_module(X))
    assert torch.allclose(found.mean, wanted.mean(1), rtol=1e-6)
    assert torch.allclose(found.covariance, torch.cov(wanted, correction=0), rtol=1e-5, atol=1e-7)
    assert found.covariance.dtype is torch.float64


def test_a_large_mean_does_not_swallow_a_small_spread():
    graph_module = symbolic_trace(nn.Sequential(nn.Identity()))
    probe = Probe((("_0", (1, 1)),))
    x = (torch.randn(8, 2, 4, 4, dtype=torch.float64) * 1e-4 + 1e4,)
    found = gather_moments(graph_module, [probe], [x, x])[probe]
    assert torch.allclose(found.covariance, torch.cov(samples(x[0]), correction=0), rtol=1e-4)


def test_nodes_side_by_side_are_read_at_the_positions_of_the_last():
    graph_module = network()
    names = [node.name for node in graph_module.graph.nodes]
    probe = Probe(((names[0], (2, 2)), ("_0", (1, 1))))
    found = gather_moments(graph_module, [probe], [(X,)])[probe]
    with torch.no_grad():
        wanted = samples(X[:, :, ::2, ::2], graph_module.get_submodule("0")(X))
    assert torch.allclose(found.mean, wanted.mean(1), rtol=1e-6)
    assert found.covariance.shape == (7, 7)


def test_statistics_are_gathered_in_eval_mode_and_the_mode_is_restored():
    graph_module = network().train()
    before = {name: value.clone() for name, value in graph_module.state_dict().items()}
    gather_moments(graph_module, [Probe((("_0", (1, 1)),))], [(X,)])
    assert graph_module.training
    assert all(torch.equal(value, before[name]) for name, value in graph_module.state_dict().items())


def test_without_a_batch_there_are_none():
    with pytest.raises(ValueError, match="no batch"):
        gather_moments(network(), [Probe((("_0", (1, 1)),))], [])
