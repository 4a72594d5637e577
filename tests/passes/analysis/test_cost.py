"""What a graph costs, against figures worked out by hand and the reference networks' known ones."""

from operator import attrgetter

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import cost_of, fusion_variants_of, macs_of
from rdpass.passes.analysis.memory.held_bytes import held_bytes
from rdpass.passes.analysis.shortcuts.dominance import immediate_dominators
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    TwoInputs,
    UNet,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    seeded,
)
from tests.support import Untouched

prepare_torchvision()


def cost(model, *shape):
    return plan_of(trace(seeded(lambda: model), torch.randn(shape))).forecast


def account(model, *inputs):
    return fusion_variants_of(trace(seeded(lambda: model), inputs).module)


def kernels(model, *inputs, way="fused"):
    """The nodes of every kernel, in the graph's order."""
    return [step.nodes for step in getattr(account(model, *inputs), way).steps]


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
    single, other = (
        fusion_variants_of(
            trace(seeded(lambda: basic_block(8, 16, 2)).to(t), torch.randn(1, 8, 12, 12, dtype=t)).module
        )
        for t in (torch.float32, dtype)
    )
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
        operation.node: operation.bytes for operation in account(Half(), torch.randn(1, 3, 8, 8)).inference.operations
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


def test_transposed_convolutions_matrix_products_and_attention_have_macs_too():
    class Products(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.ConvTranspose2d(2, 3, 2, 2)
            self.attend = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x, y):
            attended = self.attend(y, y, y)[0]
            return self.up(x), torch.bmm(attended, attended.transpose(1, 2)), F.scaled_dot_product_attention(y, y, y)

    traced = trace(seeded(Products), (torch.randn(1, 2, 5, 5), torch.randn(1, 6, 4)))
    up, attention, product, dot = 2 * 25 * 3 * 4, 6 * 4 * (16 + 12), 36 * 4, 6 * 6 * 8
    assert macs_of(traced.module) == up + attention + product + dot
    assert cost_of(traced.module).macs == macs_of(traced.module)


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
    (account_step,) = [step for step in account(model, torch.randn(1, 4, 8, 8)).fused.steps if step.adds]
    assert account_step.over == ()
    assert list(account_step.reads.values()) == [4 * 64 * 4]


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


def test_what_is_elementwise_joins_the_kernel_of_the_longer_path():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), basic_block(4, 4), nn.Conv2d(4, 2, 1), nn.Sigmoid())
    found = kernels(model, torch.randn(1, 4, 8, 8))
    assert [len(nodes) for nodes in found] == [1, 3, 4, 2]
    assert found[2][-2:] == ("add", "_1_after")


def test_separate_adds_take_their_activation_with_them():
    found = kernels(nn.Sequential(nn.Conv2d(4, 4, 1), basic_block(4, 4)), torch.randn(1, 4, 8, 8), way="separate")
    assert found[-1] == ("add", "_1_after")


def test_a_gate_is_multiplied_in_place_once_its_pool_is_done():
    model = nn.Sequential(nn.Conv2d(4, 8, 1), SqueezeExcite(8))
    found = account(model, torch.randn(1, 4, 8, 8)).fused
    one = 8 * 64 * 4
    assert found.schedule.peak == one + 4 * 64 * 4  # the first convolution: nothing later needs a second wide map
    assert found.running[-1].over == ("_0",)


def test_a_batch_norm_before_a_convolution_has_a_map_of_its_own_beside_the_shortcut():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), PreActivation(4))
    found = account(model, torch.randn(1, 4, 8, 8)).fused
    assert [len(step.nodes) for step in found.steps] == [1, 2, 3, 2]
    assert found.schedule.peak == 3 * 4 * 64 * 4


def test_two_pointwise_convolutions_in_a_row_share_a_kernel_unless_a_shortcut_reads_between_them():
    blocks = nn.Sequential(nn.Conv2d(8, 8, 1), bottleneck(8, 2), bottleneck(8, 2))
    forecast = cost(blocks, 1, 8, 6, 6)
    assert forecast.plain.tiled.kernels == forecast.plain.fused.kernels - 2
    assert forecast.model.tiled.kernels == forecast.model.fused.kernels
    assert forecast.plain.tiled.peak_bytes < forecast.plain.fused.peak_bytes


def test_a_kernel_is_tiled_with_one_other_at_most():
    pointwise = [nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)]
    found = kernels(nn.Sequential(*pointwise), torch.randn(1, 4, 8, 8), way="tiled")
    assert [len(nodes) for nodes in found] == [2, 2]


@pytest.mark.parametrize("second", [nn.Conv2d(8, 4, 1, 2), nn.Conv2d(8, 4, 1, groups=2), nn.Conv2d(8, 4, 1, padding=1)])
def test_what_is_not_one_by_one_dense_and_of_stride_one_is_not_paired(second):
    found = kernels(nn.Sequential(nn.Conv2d(4, 8, 1), second), torch.randn(1, 4, 8, 8), way="tiled")
    assert [len(nodes) for nodes in found] == [1, 1]


def test_a_map_narrower_than_its_neighbours_is_not_tiled_away():
    model = nn.Sequential(nn.Conv2d(16, 2, 1), nn.Conv2d(2, 16, 1))
    assert len(kernels(model, torch.randn(1, 16, 8, 8), way="tiled")) == 2


def test_a_stem_and_its_pool_run_as_one_but_a_global_pool_stays_alone():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 3),
                          nn.AdaptiveAvgPool2d(1))  # fmt: skip
    found = kernels(model, torch.randn(1, 3, 16, 16), way="tiled")
    assert [len(nodes) for nodes in found] == [3, 1, 1]


class Hostile(nn.Module):
    """Views, slices, a concat, padding, sizes, constants, a dead branch and three outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)
        self.position = nn.Parameter(torch.randn(1, 4, 8, 8))

    def forward(self, x, y):
        a = self.conv(F.pad(x, (1, 1, 1, 1)))
        first, second = a.chunk(2, 1)
        b = torch.cat([second, first], 1) + self.position.exp()
        c = self.other(b)
        self.other(b)  # leads nowhere
        flat = b.reshape(b.shape[0], -1)
        return c, flat, y


def test_views_constants_and_sizes_are_no_buffers_and_what_leads_nowhere_costs_nothing():
    found = account(Hostile(), torch.randn(1, 3, 8, 8), torch.randn(1, 5)).fused
    one = 4 * 64 * 4
    assert [step.bytes for step in found.steps] == [one, one, 2 * 36 * 4]
    assert [step.read_bytes for step in found.steps] == [3 * 64 * 4, one, one]  # padding moves no bytes, chunks all
    assert found.schedule.peak == max(3 * 64 * 4 + 20 + one, 2 * one + 20, one + 2 * 36 * 4 + 20)


def test_two_inputs_meet_and_a_decoder_keeps_its_skip_alive():
    two = account(TwoInputs(), torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)).fused
    assert two.schedule.peak == 3 * 3 * 64 * 4
    unet = account(nn.Sequential(nn.Conv2d(3, 3, 1), UNet()), torch.randn(1, 3, 8, 8)).fused
    assert unet.schedule.peak == 2 * 3 * 64 * 4


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


def test_a_projection_holds_its_own_map_and_the_fork_until_it_has_run():
    traced = trace(seeded(lambda: nn.Sequential(nn.Conv2d(4, 4, 1), bottleneck(4, 2, out=8))), torch.randn(1, 4, 8, 8))
    found = fusion_variants_of(traced.module)
    (held,) = held_bytes(found.inference, found.fused, plan_of(traced).regions)
    assert held.most >= 4 * 64 * 4
    add = next(index for index, step in enumerate(found.fused.running) if step.adds)
    assert add not in held.bytes_at  # there the shortcut's map becomes the block's output


def test_dominators_of_a_diamond_and_of_two_inputs():
    class Diamond(nn.Module):
        def forward(self, x, y):
            a = x * 2
            b = a.relu()
            c = a.sigmoid()
            return (b + c) + y

    graph = torch.fx.symbolic_trace(Diamond()).graph
    dominators = immediate_dominators(graph)
    found = {node.name: dominators[node].name if dominators[node] else None for node in dominators}
    assert found == {"x": None, "y": None, "mul": "x", "relu": "mul", "sigmoid": "mul", "add": "mul", "add_1": None,
                     "output": "add_1"}  # fmt: skip
