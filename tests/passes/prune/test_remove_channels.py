"""Tensors lose the entries of what is gone, sizes and bounds in the code follow, and what was shared stays shared."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rdpass.capture.programs import load_program, save_program
from rdpass.capture.trace import trace
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.prune.find_channels import find_channels
from rdpass.passes.prune.remove_channels import left, mask_channels, remove_channels
from tests.passes.prune.nets import IMAGE, PRUNABLE, Headed, traced
from tests.support import Untouched, error_between


def every_other(channels):
    """Half of the units that may leave."""
    free = {unit for layer in channels.layers for unit in layer.writes if unit not in channels.fixed}
    return {*sorted(free)[::2]}


@pytest.mark.parametrize("name", PRUNABLE)
def test_whatever_leaves_the_rest_computes_the_same_as_with_weights_at_zero(name):
    whole = traced(PRUNABLE[name]())
    before = Untouched(whole.module)
    channels = find_channels(whole.module, (IMAGE,))
    gone = every_other(channels)
    small, masked = (change(whole.module, channels, gone) for change in (remove_channels, mask_channels))
    before.check()
    assert error_between(small.double(), masked.double(), IMAGE.double()) <= 1e-12
    for layer in channels.layers:
        weight = small.get_submodule(layer.path).weight
        assert left(layer.writes, gone) in (weight.shape[0], weight.shape[1] * getattr(small.get_submodule(layer.path), "groups", 1))  # fmt: skip # noqa: E501


def test_nothing_is_changed_where_nothing_leaves():
    whole = traced(PRUNABLE["gated"]())
    channels = find_channels(whole.module, (IMAGE,))
    same = remove_channels(whole.module, channels, set())
    assert str(same.graph) == str(whole.module.graph)
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), whole.module.parameters(), strict=True))


def test_weights_that_were_shared_still_are():
    whole = traced(PRUNABLE["shared"]())
    channels = find_channels(whole.module, (IMAGE,))
    small = remove_channels(whole.module, channels, every_other(channels))
    assert small.get_submodule("body.tied").weight is small.get_submodule("body.conv").weight
    assert small.get_submodule("body.tied").weight.shape[:2] == (4, 4)


def test_numbers_in_the_code_follow():
    whole = traced(PRUNABLE["viewed"]())
    channels = find_channels(whole.module, (IMAGE,))
    small = remove_channels(whole.module, channels, {channels.layers[0].writes[0]})
    written = [node.args[1:] for node in small.graph.nodes if node.op == "call_method" and node.target != "mean"]
    assert (-1, 7) in written
    assert (1, 7, 1, 1) in written
    assert (1, 7, 8, 8) in written


def test_a_chunk_becomes_a_split_of_its_own_sizes_and_slices_move():
    whole = traced(PRUNABLE["gated"]())
    channels = find_channels(whole.module, (IMAGE,))
    stream = channels.layers[0].writes
    small = remove_channels(whole.module, channels, {stream[0], stream[3]})
    slices = [node.args[1][1] for node in small.graph.nodes if node.name.startswith("getitem") and
              isinstance(node.args[1], tuple)]  # fmt: skip
    assert {(each.start, each.stop) for each in slices} == {(1, 4), (0, 1), (4, 6)}


def test_slices_of_an_exported_program_move_too(tmp_path):
    whole = traced(PRUNABLE["gated"]())
    save_program(whole.module, (IMAGE,), tmp_path / "gated.pt2")
    program, _ = load_program(tmp_path / "gated.pt2")
    again = trace(program, IMAGE)
    channels = find_channels(again.module, (IMAGE,))
    gone = every_other(channels)
    small, masked = (change(again.module, channels, gone) for change in (remove_channels, mask_channels))
    assert error_between(small.double(), masked.double(), IMAGE.double()) <= 1e-12
    stream, wide = channels.layers[:2]
    assert (left(stream.writes, gone), left(wide.writes, gone)) == (4, 6)


def test_what_is_frozen_stays_frozen_and_norms_know_their_width():
    model = Headed(nn.Sequential(nn.BatchNorm2d(8), nn.InstanceNorm2d(8)))
    model.stem.weight.requires_grad_(False)
    whole = traced(model)
    channels = find_channels(whole.module, (IMAGE,))
    small = remove_channels(whole.module, channels, every_other(channels))
    annotate(small, (IMAGE,))
    assert [small.get_submodule(f"body.{index}").num_features for index in (0, 1)] == [4, 4]
    assert not small.get_submodule("stem").weight.requires_grad
    assert small.get_submodule("head").weight.requires_grad
