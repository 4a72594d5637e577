"""A network's kernels and their schedule, summed up."""

import torch
from torch import nn

from tests.models import basic_block, classifier, conv_bn
from tests.passes.analysis.schedules import schedules


def test_the_memory_is_the_sum_over_the_kernels_and_the_peak_the_schedules():
    fused = schedules(classifier(basic_block(4, 4), basic_block(4, 8, 2)), torch.randn(1, 3, 8, 8)).fused
    memory = fused.memory
    assert memory.kernels == len(fused.steps) == len(fused.schedule.order)
    assert memory.written_bytes == memory.feature_bytes == sum(step.bytes for step in fused.steps)
    assert memory.read_bytes == sum(sum(step.reads.values()) for step in fused.steps)
    assert memory.traffic_bytes == memory.read_bytes + memory.written_bytes
    assert memory.peak_bytes == max(fused.schedule.live) >= memory.at_least_bytes
    assert memory.schedule == "optimal"


def test_kernels_run_in_the_order_of_the_schedule_and_read_what_was_written_before():
    fused = schedules(classifier(basic_block(4, 4), basic_block(4, 8, 2)), torch.randn(1, 3, 8, 8)).fused
    written = {"input_1"}
    assert sorted(step.writes for step in fused.running) == sorted(step.writes for step in fused.steps)
    for step in fused.running:
        assert set(step.reads) <= written
        written.add(step.writes)


def test_separate_adds_and_tiles_change_the_number_of_kernels():
    found = schedules(classifier(basic_block(8, 8)), torch.randn(1, 3, 8, 8))
    assert found.separate.memory.kernels == found.fused.memory.kernels + 1
    plain = schedules(nn.Sequential(*conv_bn(3, 8, 1), nn.Conv2d(8, 8, 1)), torch.randn(1, 3, 8, 8))
    assert (plain.fused.memory.kernels, plain.tiled.memory.kernels) == (2, 1)
