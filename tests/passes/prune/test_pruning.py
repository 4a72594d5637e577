"""A pruned network is the whole one that reads nothing of what is gone, narrower wherever its layers agree on that."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rdpass.capture.programs import load_program, save_program
from rdpass.core.errors import ConfigError, NothingToConvert, ParityError
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.graph.node_kinds import shape_of
from rdpass.passes.prune import pruning
from rdpass.passes.prune.find_channels import find_channels
from rdpass.passes.prune.pruning import prune
from rdpass.passes.prune.remove_channels import mask_channels
from tests.models import PaddedChannels, Residual, small_resnet
from tests.passes.prune.nets import IMAGE, PRUNABLE, Headed, Spoken, traced
from tests.support import Untouched, error_between

SHARE = 0.15


@pytest.mark.parametrize("name", PRUNABLE)
def test_it_computes_what_the_whole_network_computes_with_the_weights_that_read_what_is_gone_at_zero(name):
    whole = traced(PRUNABLE[name]())
    before = Untouched(whole.module)
    pruned = prune(whole, SHARE)
    before.check()
    gate = pruned.traced.gates[-1]
    assert (gate.name, gate.tolerance) == ("pruned", 1e-5)
    assert error_between(pruned.traced.module, whole.module, IMAGE) > 1e-3  # what is gone did count
    assert macs_of(pruned.traced.module) <= (1 - SHARE) * macs_of(whole.module)
    outputs = [[shape_of(node) for node in each.module.graph.nodes][-2] for each in (pruned.traced, whole)]
    assert outputs[0] == outputs[1]


def test_widths_are_multiples_of_the_block_and_those_of_a_stream_the_same_in_all_its_layers():
    whole = traced(PRUNABLE["mixed"]())
    pruned = prune(whole, 0.3, multiple=4)
    widths = {width.layer: (width.before, width.after) for width in pruned.widths}
    stream = [widths[layer] for layer in ("0.0", "1.body.3", "2.body.6", "3.body.0", "4.shrink")]
    assert len({*stream[:4]}) == 1
    assert {after for before, after in widths.values() if before != after} <= {4, 8}
    convolution = pruned.traced.module.get_submodule("2.body.3")
    assert (convolution.in_channels, convolution.groups) == (widths["2.body.0"][1],) * 2


def test_a_network_of_one_dimension_loses_channels_too():
    wave = torch.randn(1, 2, 40)
    pruned = prune(traced(Spoken(), wave), 0.4)
    first, depthwise = pruned.traced.module.get_submodule("layers.0"), pruned.traced.module.get_submodule("layers.3")
    prelu, norm = pruned.traced.module.get_submodule("layers.2"), pruned.traced.module.get_submodule("layers.4")
    assert first.out_channels == depthwise.groups == prelu.num_parameters == norm.num_features < 8


def test_a_pruned_network_is_saved_and_read_back_as_any_other(tmp_path):
    pruned = prune(traced(PRUNABLE["gated"]()), SHARE).traced
    save_program(pruned.module, pruned.example, tmp_path / "pruned.pt2")
    again, _ = load_program(tmp_path / "pruned.pt2")
    assert error_between(again, pruned.module, IMAGE) <= 1e-6


def test_a_network_without_channels_that_could_leave_is_refused_with_the_reasons():
    with pytest.raises(NothingToConvert, match=r"an output of the network"):
        prune(traced(nn.Sequential(nn.Conv2d(3, 4, 1))), SHARE)
    with pytest.raises(NothingToConvert, match=r"normalises over channels"):
        prune(traced(Headed(nn.GroupNorm(2, 8))), SHARE)
    with pytest.raises(NothingToConvert, match=r"changes how many channels there are"):
        prune(traced(Headed(Residual(nn.Conv2d(8, 12, 3, 1, 1), PaddedChannels(2, 12, 1)), 8, 12)), SHARE)


def test_a_budget_that_the_floor_does_not_allow_is_refused_with_what_would_be_possible():
    with pytest.raises(ConfigError, match=r"no more than \d+\.\d% .* lower the floor or the multiple"):
        prune(traced(small_resnet()), 0.9, floor=0.5)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.0}, {"multiple": 0}, {"floor": 1.5}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="can't be"):
        prune(traced(small_resnet()), **{"share": 0.3, **wrong})


def test_a_mistake_in_what_leaves_with_what_does_not_go_through(monkeypatch):
    def only_half(module, channels, gone):
        return mask_channels(module, channels, {*sorted(gone)[::2]})

    monkeypatch.setattr(pruning, "mask_channels", only_half)
    with pytest.raises(ParityError, match="pruned"):
        prune(traced(small_resnet()), 0.3)


def test_layers_that_keep_their_channels_say_why():
    whole = traced(PRUNABLE["two heads"]())
    pruned = prune(whole, SHARE)
    reasons = {skipped.add: skipped.reason for skipped in pruned.skipped}
    assert reasons == {name: "output: an output of the network" for name in ("stem", "conv", "head")}
    assert {layer.node for layer in find_channels(whole.module, whole.example).layers} - {*reasons} == {"side"}
