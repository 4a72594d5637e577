"""Channels that can only leave together have one unit, over a whole network: torch-pruning agrees where it can."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from torch import nn

from rdpass.passes.prune.find_channels import find_channels
from tests.models import SqueezeExcite, basic_block, classifier, conv_bn, inverted_residual, small_resnet
from tests.passes.prune.nets import IMAGE, PRUNABLE, Flattened, traced
from tests.support import Untouched


def groups_found(module):
    """For each unit that may leave: the places (layer, side, index) that go with it."""
    found = find_channels(module, (IMAGE,))
    places = defaultdict(set)
    for layer in found.layers:
        for side, units in (("in", layer.reads), ("out", layer.writes)):
            for index, unit in enumerate(units):
                places[unit].add((layer.path, side, index))
    return {frozenset(group) for unit, group in places.items() if unit not in found.fixed}


def groups_of_torch_pruning(module):
    tp = pytest.importorskip("torch_pruning")
    graph = tp.DependencyGraph().build_dependency(module, IMAGE, verbose=False)
    names = {id(child): name for name, child in module.named_modules()}
    classes = [child for child in module.modules() if isinstance(child, nn.Linear)][-1:]
    found = set()
    for whole in graph.get_all_groups(ignored_layers=classes):
        root = whole[0].dep
        for index in range(len(whole[0].idxs)):
            places = set()
            for dependency, indices in graph.get_pruning_group(root.target.module, root.handler, [index]):
                layer, depthwise = dependency.target.module, "depthwise" in dependency.handler.__name__
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    depthwise = depthwise or getattr(layer, "groups", 1) > 1
                    side = "out" if graph.is_out_channel_pruning_fn(dependency.handler) else "in"
                    sides = ("in", "out") if depthwise else (side,)
                    places |= {(names[id(layer)], each, i) for each in sides for i in indices}
            found.add(frozenset(places))
    return found


@pytest.mark.parametrize(
    "build",
    [
        small_resnet, Flattened,
        lambda: classifier(inverted_residual(4, 6), nn.Sequential(*conv_bn(4, 4), SqueezeExcite(4)), channels=4),
        PRUNABLE["joined twice"],
    ],
)  # fmt: skip
def test_the_groups_are_those_that_torch_pruning_finds(build):
    module = traced(build()).module
    assert groups_found(module) == groups_of_torch_pruning(module)


def test_the_graph_and_the_example_are_only_read():
    whole = traced(PRUNABLE["mixed"]())
    before, example = Untouched(whole.module), IMAGE.clone()
    find_channels(whole.module, (IMAGE,))
    before.check()
    assert torch.equal(IMAGE, example)


def test_macs_of_a_layer_that_is_called_twice_are_those_of_both_calls_and_products_of_two_maps_stay():
    found = find_channels(traced(PRUNABLE["shared"]()).module, (IMAGE,))
    convolution = next(layer for layer in found.layers if layer.path == "body.conv")
    assert convolution.macs == 3 * 8 * 8 * 9 * 64
    assert found.other_macs == 0


def test_weights_that_two_layers_share_are_one_axis_for_both():
    found = find_channels(traced(PRUNABLE["shared"]()).module, (IMAGE,))
    assert sorted(slot.axis for slot in found.slots if slot.tensor == "body.conv.weight") == [0, 1]
    assert not any("tied.weight" in slot.tensor for slot in found.slots)


def test_every_channel_of_a_residual_stream_has_one_unit_in_all_layers_that_write_it():
    found = find_channels(traced(classifier(basic_block(4, 4), basic_block(4, 4), channels=4)).module, (IMAGE,))
    writes = {layer.path: layer.writes for layer in found.layers}
    assert writes["0.0"] == writes["1.body.3"] == writes["2.body.3"]
    assert writes["1.body.0"] != writes["2.body.0"]
