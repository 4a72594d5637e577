"""What a shortcut holds, kernel by kernel."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import fusion_variants_of
from rdpass.passes.analysis.memory.held_bytes import held_bytes
from tests.models import (
    bottleneck,
    seeded,
)


def test_a_projection_holds_its_own_map_and_the_fork_until_it_has_run():
    traced = trace(seeded(lambda: nn.Sequential(nn.Conv2d(4, 4, 1), bottleneck(4, 2, out=8))), torch.randn(1, 4, 8, 8))
    found = fusion_variants_of(traced.module)
    (held,) = held_bytes(found.inference, found.fused, plan_of(traced).regions)
    assert held.most >= 4 * 64 * 4
    add = next(index for index, step in enumerate(found.fused.running) if step.adds)
    assert add not in held.bytes_at  # there the shortcut's map becomes the block's output
