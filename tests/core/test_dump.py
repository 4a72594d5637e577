"""Golden text: what each pass makes of one block. ``RDPASS_UPDATE_GOLDEN=1`` writes the files anew, to be read."""

import os
from pathlib import Path

import pytest
import torch

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.dump import describe
from rdpass.inspection import plan_of
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.reparam_fold import fold_branches
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import plan_reparam
from rdpass.passes.graph.annotate import annotate
from tests.models import Residual, basic_block, bottleneck, inverted_residual, seeded, small_resnet

GOLDEN = Path(__file__).parents[1] / "golden"


def canonical():
    return trace(seeded(lambda: basic_block(4, 8, 2)), torch.randn(1, 4, 8, 8))


def canonical_bottleneck():
    return trace(seeded(lambda: bottleneck(8, 4, stride=2)), torch.randn(1, 8, 8, 8))


def faded(traced):
    regions = plan_of(traced).removable
    reparams = [plan_reparam(traced.module, region) for region in regions]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [traced.example]))
    annotate(fading.module, traced.example)
    return fading


def folded(traced):
    fading = faded(traced)
    fading.set_faded(1.0)
    module = fold_branches(fading.module)
    annotate(module, traced.example)
    return module


def carried(block):
    return rdpass.convert(seeded(block), torch.randn(1, 4, 8, 8), recipe="carry", max_macs=100).student


STAGES = {
    "basic_block_canonical": lambda: canonical().module,
    "basic_block_faded": lambda: faded(canonical()).module,
    "basic_block_folded": lambda: folded(canonical()),
    "bottleneck_faded": lambda: faded(canonical_bottleneck()).module,
    "bottleneck_folded": lambda: folded(canonical_bottleneck()),
    "basic_block_carried": lambda: carried(lambda: basic_block(4, 8, 2)),
    "inverted_residual_carried": lambda: carried(lambda: inverted_residual(4, 6)),
    "merged": lambda: carried(lambda: Residual(torch.nn.Conv2d(4, 4, 3, 1, 1))),
}


@pytest.mark.parametrize("name", STAGES)
def test_the_graph_after_each_pass_reads_as_expected(name):
    text, path = describe(STAGES[name]()), GOLDEN / f"{name}.txt"
    if os.environ.get("RDPASS_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_every_stage_is_dumped_as_numbered_text_on_request(monkeypatch, tmp_path):
    monkeypatch.setenv("RDPASS_DUMP", str(tmp_path / "dump"))
    rdpass.convert(seeded(small_resnet), torch.randn(1, 3, 9, 9), recipe="carry", max_macs=10)
    names = sorted(path.name.split("_", 1)[1] for path in (tmp_path / "dump").iterdir())
    assert names == sorted(["trace.txt", "functionalise.txt", "bake_weights.txt", "lift_layers.txt", "drop_checks.txt",
                            "absorb_padding.txt", "fold_batch_norm.txt", "carry.txt"])  # fmt: skip
