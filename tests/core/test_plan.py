"""Findings that travel between stages: frozen, and what is derived from their fields."""

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import nn

from rdpass.core.plan import Cost, Forecast, Memory, Plan, Region, Traced

MEMORY = Memory(3, 100, 60, 50, 70, 30, "optimal")
COST = Cost(1000, 20, MEMORY, replace(MEMORY, peak_bytes=40), replace(MEMORY, peak_bytes=30))
REGION = Region("add", "fork", ("a", "b"), (), "identity", (1, 4, 8, 8), 1024, "body", "removable", "why")


def plan(*verdicts):
    regions = tuple(replace(REGION, add=f"add_{i}", verdict=verdict) for i, verdict in enumerate(verdicts))
    return Plan(regions, (), Forecast(COST, COST, (), "nothing"))


def test_removable_regions_are_those_of_that_verdict_in_their_order():
    found = plan("removable", "kept", "removable")
    assert [region.add for region in found.removable] == ["add_0", "add_2"]
    assert plan("kept").removable == ()
    assert plan().removable == ()


def test_traffic_is_what_is_read_and_written():
    assert MEMORY.traffic_bytes == 100


def test_features_are_counted_apart_and_the_peak_is_the_fused_schedules():
    assert (COST.feature_bytes, COST.peak_activation_bytes) == (100, 40)


def test_a_plan_is_frozen_and_equal_to_its_copy_of_another_process():
    found = plan("removable", "kept")
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(FrozenInstanceError):
        found.regions = ()
    with pytest.raises(FrozenInstanceError):
        REGION.verdict = "kept"


def test_a_traced_graph_gives_its_nodes_by_name():
    module = torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    traced = Traced(module, (torch.randn(1, 3, 2, 2),))
    assert traced.node("_1").target == "1"
    assert (traced.gates, traced.tracer) == ((), "")
    with pytest.raises(KeyError, match="nowhere"):
        traced.node("nowhere")
