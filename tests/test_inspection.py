"""What ``inspect`` finds: consistent figures, and a drawing that is refused before the work."""

import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Traced
from rdpass.inspection import inspect, plan_of
from rdpass.passes.graph.annotate import annotate
from tests import inspected as plans
from tests.inspected import resnet
from tests.models import (
    Residual,
    bottleneck,
    classifier,
    conv_bn,
    seeded,
)
from tests.support import lines_run

inspected = plans.inspected


def test_every_figure_of_a_plan_is_consistent(inspected):
    found, _ = inspected
    forecast = found.forecast
    assert [block.add for block in forecast.blocks] == [region.add for region in found.regions]
    for cost in (forecast.model, forecast.plain):
        for memory in (cost.separate, cost.fused, cost.tiled):
            assert 0 <= memory.at_least_bytes <= memory.peak_bytes
            assert memory.schedule == "optimal"
            assert memory.written_bytes == memory.feature_bytes
        assert cost.tiled.traffic_bytes <= cost.fused.traffic_bytes <= cost.separate.traffic_bytes
        assert cost.fused.peak_bytes <= cost.separate.peak_bytes
    assert forecast.plain.fused.peak_bytes <= forecast.model.fused.peak_bytes
    assert forecast.plain.macs <= forecast.model.macs
    for block in forecast.blocks:
        assert block.at_peak_bytes <= block.held_bytes <= forecast.model.fused.peak_bytes
        assert bool(block.held_bytes) == bool(block.held_kernels)
        assert block.recipe in ("merge", "carry", None)
        assert block.exact_reason != "not priced"


def test_a_drawing_never_overwrites_without_force_and_is_refused_before_the_work(tmp_path):
    (tmp_path / "net.svg").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        inspect(nn.Identity(), torch.zeros(1), svg=tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text() == "mine"
    inspect(resnet(), torch.randn(1, 3, 16, 16), svg=tmp_path / "net.svg", force=True)
    assert (tmp_path / "net.svg").read_text().startswith("<?xml")


def test_the_bottleneck_that_sets_the_peak_is_the_one_whose_shortcut_is_charged_for_it():
    model = classifier(bottleneck(8, 2, out=16), bottleneck(16, 8, stride=2, out=32), channels=32)
    found = inspect(seeded(lambda: model), torch.randn(1, 3, 16, 16)).forecast
    charged = [block for block in found.blocks if block.at_peak_bytes]
    assert len(charged) <= 1
    if charged:
        assert found.plain.fused.peak_bytes < found.model.fused.peak_bytes


def deep(blocks):
    layers = [
        Residual(nn.Sequential(*conv_bn(2, 2), nn.ReLU(), *conv_bn(2, 2)), None, nn.ReLU()) for _ in range(blocks)
    ]
    return nn.Sequential(*layers).eval()


@pytest.mark.slow
def test_a_network_of_a_thousand_nodes_is_inspected_and_drawn(tmp_path):
    found = inspect(deep(143), torch.randn(1, 2, 4, 4), target="rpi4", svg=tmp_path / "deep.svg")
    assert len(found.regions) == 143


@pytest.mark.slow
def test_eight_times_the_nodes_take_about_eight_times_the_work_to_forecast():
    def work(blocks):
        graph_module = symbolic_trace(deep(blocks))
        annotate(graph_module, (torch.randn(1, 2, 4, 4),))
        return lines_run(plan_of, Traced(graph_module, (torch.randn(1, 2, 4, 4),)))

    work(4)
    assert work(400) < 12 * work(50)
