"""Real architectures, random weights: as many regions of each kind as their definitions say, worked out by hand."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from benchmarks.zoo_models import Entry, build
from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts

prepare_torchvision()
pytest.importorskip("timm", reason="the zoo is an extra")

TABLE = Path(__file__).parents[3] / "golden" / "region_counts.txt"
KINDS = ("identity", "projection", "padded", "merge")


def cases():
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            model, size, counts, kept, _ = (cell.strip() for cell in line.split("|", 4))
            marks = () if model.startswith("*") else (pytest.mark.slow,)
            spec = model.removeprefix("* ")
            counted = dict(zip(KINDS, map(int, counts.split()), strict=True))
            yield pytest.param(spec, int(size), counted, int(kept), id=spec, marks=marks)


@pytest.mark.parametrize(("spec", "size", "counts", "kept"), cases())
def test_an_architecture_has_the_regions_that_its_definition_says(spec, size, counts, kept):
    model = build(Entry(*spec.split(":"), ""))
    regions, skipped = take_census(trace(model, torch.randn(1, 3, size, size)))
    found = Counter(region.kind for region in regions)
    assert {kind: found[kind] for kind in KINDS} == counts, skipped
    assert sum(region.verdict == "kept" for region in regions) == kept


@pytest.mark.parametrize("spec", ["timm:resnet18", "timm:rexnet_100", "timm:repvgg_a0", "timm:convnext_atto"])
def test_with_everything_skipped_removal_leaves_a_real_network_bit_for_bit_as_it_is(spec):
    traced = trace(build(Entry(*spec.split(":"), "")), torch.randn(1, 3, 64, 64))
    regions, _ = take_census(traced, skip=("*",))
    assert regions
    assert all(region.verdict == "kept" for region in regions)
    same = remove_shortcuts(traced.module, [region for region in regions if region.verdict == "removable"])
    assert same.code == traced.module.code
    assert [str(node.meta.get("tensor_meta")) for node in same.graph.nodes] == [
        str(node.meta.get("tensor_meta")) for node in traced.module.graph.nodes
    ]
    before, after = traced.module.state_dict(), same.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    with torch.no_grad():
        assert torch.equal(same(*traced.example), traced.module(*traced.example))


def test_the_table_has_forty_architectures_and_more():
    assert len(list(cases())) >= 40
