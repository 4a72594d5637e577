"""The networks that figures are given for: of the right structure, with numbers that neither die nor explode."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from benchmarks import networks
from benchmarks.networks import NAMES, reference_file, reference_network
from rdpass.core.errors import ConfigError
from rdpass.inspection import inspect
from tests.support import Untouched

CONVOLUTIONS = {"plain18": 17, "resnet18": 20, "plain50": 49, "resnet50": 53, "mobilenet_v2": 52}
SHORTCUTS = {"plain18": 0, "resnet18": 8, "plain50": 0, "resnet50": 16, "mobilenet_v2": 10}


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in NAMES if name != "plain18"]


@cache
def _network(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return reference_network(name)


@pytest.mark.parametrize("name", ["plain18", *SLOW])
def test_a_plain_network_has_neither_adds_nor_projections_and_a_residual_one_has_all(name: str) -> None:
    network, example = _network(name)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == CONVOLUTIONS[name]
    assert len(inspect(network, example).regions) == SHORTCUTS[name]
    assert not network.training


@pytest.mark.parametrize("name", ["plain18", *SLOW])
def test_activations_keep_their_scale_from_the_first_layer_to_the_last(name: str) -> None:
    network, (example,) = copy.deepcopy(_network(name))
    scales: list[float] = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.register_forward_hook(lambda _, __, output: scales.append(float(output.std())))
    with torch.no_grad():
        output = network(example)
    assert min(scales) > 0.05
    assert max(scales) < 50
    assert 0.05 < float(output.std()) < 50
    assert 0.1 < float((output > 0).float().mean()) < 0.9


@pytest.mark.slow
def test_equal_names_give_equal_weights_whatever_was_drawn_before() -> None:
    torch.manual_seed(1)
    once = reference_network("plain18")[0].state_dict()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = reference_network("plain18")[0].state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert once.keys() == again.keys()
    assert all(torch.equal(once[key], again[key]) for key in once)


@pytest.mark.slow
def test_taking_shortcuts_out_leaves_the_network_as_it_was() -> None:
    network, (example,) = _network("resnet18")
    untouched = Untouched(network)
    networks.without_shortcuts(network, example)
    untouched.check()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="known are plain50, resnet50, plain18, resnet18"):
        reference_network("plain34")


@pytest.mark.slow
def test_a_file_is_written_once_with_torchs_numbers_beside_it(tmp_path: Path) -> None:
    path = reference_file("plain18", tmp_path)
    written = path.stat().st_mtime_ns
    model = onnx.load(path)
    kinds = {node.op_type for node in model.graph.node}
    assert "Add" not in kinds
    assert "BatchNormalization" not in kinds
    with np.load(path.with_suffix(".golden.npz")) as golden:
        assert golden["output_0"].shape == (1, 1000)
    assert reference_file("plain18", tmp_path).stat().st_mtime_ns == written
