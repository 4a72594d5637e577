"""Rows of a drawing: a kernel each, in the order they run, with live bytes of both networks; wires between them."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import fusion_variants_of
from rdpass.report.drawing.rows import rows_of, wires_of
from tests.models import bottleneck, classifier, seeded


def drawn(build):
    traced = trace(seeded(build), torch.randn(1, 3, 8, 8))
    plan = plan_of(traced)
    model, plain = (fusion_variants_of(traced.module, without) for without in ((), plan.removable))
    rows = rows_of(traced.module, plan.regions, model, plain)
    return rows, wires_of(rows, model, plan.regions), model, plan


def two_blocks():
    return classifier(bottleneck(8, 2), bottleneck(8, 2))


def test_inputs_come_first_and_then_every_kernel_with_its_live_bytes():
    rows, _, model, _ = drawn(two_blocks)
    first, *kernels = rows
    assert (first.nodes[0].op, first.live, first.plain, first.follows) == ("placeholder", 0, None, False)
    assert [row.buffer for row in kernels] == [step.writes for step in model.fused.running]
    assert [row.live for row in kernels] == list(model.fused.schedule.live)
    assert max(row.live for row in kernels) == model.fused.memory.peak_bytes


def test_bytes_held_by_a_shortcut_are_some_of_the_live_ones_and_gone_in_the_plain_network():
    rows, _, _, plan = drawn(two_blocks)
    held = [row for row in rows if row.held]
    assert len(held) == sum(block.held_kernels for block in plan.forecast.blocks) > 0
    for row in held:
        assert 0 < row.held < row.live
        assert row.plain == row.live - row.held


def test_a_row_follows_the_one_above_where_it_reads_what_that_gives():
    rows, _, _, _ = drawn(two_blocks)
    assert all(row.follows for row in rows[1:])
    branches, *_ = drawn(lambda: nn.Sequential(Fork()))
    assert [row.follows for row in branches].count(False) >= 2  # the input, and the second branch


class Fork(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x)], 1)


def test_a_wire_leads_from_a_fork_to_its_add_and_none_to_the_next_row_alone():
    rows, wires, _, plan = drawn(two_blocks)
    place = {row.buffer: index for index, row in enumerate(rows)}
    assert len(wires) == len(plan.regions)
    for wire in wires:
        assert wire.row == place[wire.buffer]
        assert wire.readers == ()
        (reader,) = wire.shortcut
        assert reader > wire.row + 1
    plain, plain_wires, *_ = drawn(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)))
    assert plain_wires == []
    assert len(plain) == 3


def test_a_view_is_shown_with_the_kernel_whose_map_it_looks_at():
    rows, *_ = drawn(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 2)))
    assert [len(row.nodes) for row in rows] == [1, 2, 1]
