"""What a graph costs, against figures worked out by hand and the reference networks' known ones."""

from operator import attrgetter

import pytest
import torch
from torch import nn

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import cost_of, fusion_variants_of
from rdpass.passes.graph.annotate import annotate
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    seeded,
)
from tests.passes.analysis.schedules import schedules
from tests.support import Untouched

prepare_torchvision()


def cost(model, *shape):
    return plan_of(trace(seeded(lambda: model), torch.randn(shape))).forecast


def megabytes(count):
    return round(count / 1e6, 2)


class Half(nn.Module):
    """A sum in float16 between two convolutions in float32."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x):
        y = self.first(x).to(torch.float16)
        return self.last((y * 2 + y).to(torch.float32))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_bytes_follow_the_type_and_operations_do_not(dtype):
    module, x = (
        trace(seeded(lambda: basic_block(8, 16, 2)), torch.randn(1, 8, 12, 12)).module,
        torch.randn(1, 8, 12, 12),
    )
    single = fusion_variants_of(module)
    annotate(module.to(dtype), (x.to(dtype),))
    other = fusion_variants_of(module)
    assert (other.cost.macs, other.cost.parameters) == (single.cost.macs, single.cost.parameters)
    for way in ("separate", "fused", "tiled"):
        steps, known = getattr(other, way).steps, getattr(single, way).steps
        for sizes in attrgetter("bytes"), attrgetter("read_bytes"), attrgetter("weight_bytes"):
            assert [4 * sizes(step) for step in steps] == [dtype.itemsize * sizes(step) for step in known]
        assert 4 * getattr(other.cost, way).peak_bytes == dtype.itemsize * getattr(single.cost, way).peak_bytes


def test_what_a_shortcut_holds_follows_the_type():
    traced = [
        trace(seeded(lambda: basic_block(8, 8)).to(dtype), torch.randn(1, 8, 12, 12, dtype=dtype))
        for dtype in (torch.float32, torch.float64)
    ]
    single, double = (plan_of(each).regions[0].bytes for each in traced)
    assert (single, double) == (8 * 144 * 4, 8 * 144 * 8)


def test_types_may_change_within_a_graph():
    sizes = {
        operation.node: operation.bytes for operation in schedules(Half(), torch.randn(1, 3, 8, 8)).inference.operations
    }
    assert (sizes["first"], sizes["mul"], sizes["add"], sizes["last"]) == (
        8 * 36 * 4,
        8 * 36 * 2,
        8 * 36 * 2,
        8 * 16 * 4,
    )


@pytest.mark.parametrize(
    ("name", "model", "plain"),
    [
        ("resnet50", [(5.22, 113.6), (5.22, 107.2)], [(4.82, 79.1), (2.41, 29.3)]),
        ("resnet18", [(4.01, 25.8), (1.61, 19.4)], [(4.01, 20.7), (1.61, 14.3)]),
        ("mobilenet_v2", [(6.02, 54.9), (6.02, 54.9)], [(6.02, 54.0), (6.02, 54.0)]),
    ],
)
def test_the_reference_networks_have_their_known_peaks_and_traffic(name, model, plain):
    from torchvision.models import get_model

    forecast = plan_of(trace(get_model(name, weights=None), torch.randn(1, 3, 224, 224))).forecast
    for net, known in ((forecast.model, model), (forecast.plain, plain)):
        for memory, (peak, traffic) in zip((net.fused, net.tiled), known, strict=True):
            assert memory.peak_bytes / 1e6 == pytest.approx(peak, rel=0.01)
            assert memory.traffic_bytes / 1e6 == pytest.approx(traffic, rel=0.01)
            assert memory.schedule == "optimal"
    if name == "resnet50":
        assert megabytes(forecast.model.separate.peak_bytes) == 9.63
        assert forecast.model.macs == 4_089_184_256
        assert forecast.model.parameters == 25_557_032
    assert ("gains nothing" in forecast.verdict) == (name != "resnet50")


def test_macs_and_parameters_are_counted_by_hand():
    model = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.Flatten(), nn.Linear(6 * 16, 10))
    forecast = cost(model, 1, 4, 8, 8)
    assert forecast.model.macs == 6 * 16 * 2 * 9 + 960
    assert forecast.model.parameters == 6 * 2 * 9 + 6 + 970


def test_the_plain_nets_parameters_leave_out_what_only_shortcuts_use_and_count_shared_ones_once():
    shared = nn.Conv2d(4, 4, 3, 1, 1, bias=False)
    model = Residual(nn.Sequential(shared, nn.ReLU(), shared), nn.Conv2d(4, 4, 1, bias=False))
    forecast = cost(nn.Sequential(model), 1, 4, 6, 6)
    assert (forecast.model.parameters, forecast.plain.parameters) == (144 + 16, 144)


def test_an_add_is_accumulated_in_place_so_a_basic_block_needs_no_third_map():
    forecast = cost(nn.Sequential(nn.Conv2d(4, 4, 1), basic_block(4, 4)), 1, 4, 8, 8)
    one = 4 * 64 * 4
    assert forecast.model.separate.peak_bytes == 3 * one
    assert forecast.model.fused.peak_bytes == 2 * one
    assert forecast.plain.fused.peak_bytes == 2 * one
    assert forecast.model.macs == forecast.plain.macs
    assert forecast.blocks[0].held_bytes == 0


def test_the_models_own_input_is_never_written_over():
    forecast = cost(basic_block(4, 4), 1, 4, 8, 8)
    assert forecast.model.fused.peak_bytes == 3 * 4 * 64 * 4


def test_a_layer_that_also_convolves_its_shortcut_cannot_write_over_it():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), Residual(nn.Conv2d(4, 4, 3, 1, 1)))
    (joined_step,) = [step for step in schedules(model, torch.randn(1, 4, 8, 8)).fused.steps if step.adds]
    assert joined_step.over == ()
    assert list(joined_step.reads.values()) == [4 * 64 * 4]


def test_a_bottleneck_holds_its_wide_map_while_the_narrow_convolution_runs():
    forecast = cost(nn.Sequential(nn.Conv2d(8, 8, 1), bottleneck(8, 2)), 1, 8, 4, 4)
    (block,) = forecast.blocks
    assert (block.held_bytes, block.held_kernels) == (8 * 16 * 4, 1)
    assert block.at_peak_bytes == 0
    assert forecast.model.fused.peak_bytes == 8 * 16 * 4 * 2


def test_a_wide_body_sets_the_peak_and_removal_gains_what_the_shortcut_is():
    wide = Residual(nn.Sequential(*conv_bn(2, 12, 1), nn.ReLU6(), *conv_bn(12, 12, groups=12), *conv_bn(12, 2, 1)))
    forecast = cost(nn.Sequential(nn.Conv2d(3, 2, 1), wide), 1, 3, 8, 8)
    assert forecast.plain.fused.peak_bytes == 2 * 12 * 256
    assert forecast.model.fused.peak_bytes == forecast.plain.fused.peak_bytes + 2 * 256
    assert forecast.blocks[0].at_peak_bytes == 2 * 256


def test_a_gate_is_multiplied_in_place_once_its_pool_is_done():
    model = nn.Sequential(nn.Conv2d(4, 8, 1), SqueezeExcite(8))
    found = schedules(model, torch.randn(1, 4, 8, 8)).fused
    one = 8 * 64 * 4
    assert found.schedule.peak == one + 4 * 64 * 4  # the first convolution: nothing later needs a second wide map
    assert found.running[-1].over == ("_0",)


def test_a_batch_norm_before_a_convolution_has_a_map_of_its_own_beside_the_shortcut():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), PreActivation(4))
    found = schedules(model, torch.randn(1, 4, 8, 8)).fused
    assert [len(step.nodes) for step in found.steps] == [1, 2, 3, 2]
    assert found.schedule.peak == 3 * 4 * 64 * 4


def test_an_exported_graph_costs_what_the_model_does():
    model = seeded(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    example = torch.randn(1, 3, 8, 8)
    exported = torch.export.export(model, (example,)).module()
    assert cost_of(trace(exported, example).module) == cost_of(trace(model, example).module)


def test_counting_leaves_the_graph_as_it_was():
    traced = trace(seeded(lambda: basic_block(4, 8, 2)), torch.randn(1, 4, 8, 8))
    regions = plan_of(traced).regions
    before = Untouched(traced.module)
    fusion_variants_of(traced.module, regions)
    before.check()
