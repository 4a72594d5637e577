"""The benchmark of one training step counts what it says, and no pass is done twice."""

import pytest
import torch

from benchmarks.training_step import operations, suffix, workloads
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from tests.models import seeded, small_resnet


def test_a_step_of_joint_does_the_passes_of_its_paths_and_no_more():
    step, passes, cuts = workloads(batch_size=2)
    assert len(cuts) == 2
    assert operations(step) == operations(passes) > 0


def test_a_suffix_computes_what_follows_its_cut():
    model = seeded(small_resnet)
    example = torch.randn(2, 3, 8, 8)
    traced = trace(model, example)
    regions, _ = take_census(traced)
    cut = regions[1].add
    seen = {}

    class Recording(torch.fx.Interpreter):
        def run_node(self, node):
            seen[node.name] = super().run_node(node)
            return seen[node.name]

    wanted = Recording(traced.module).run(example)
    assert torch.equal(suffix(traced.module, cut)(seen[cut]), wanted)
    with pytest.raises(AttributeError):
        suffix(traced.module, cut).get_submodule("0.0")
