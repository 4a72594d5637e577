"""The ways in which a shortcut could be carried through a body."""

import pytest
import torch
from torch import nn

from rdpass.passes.exact.body_path import body_path
from rdpass.passes.exact.carry_choices import choices, own_map, parse_body
from rdpass.passes.exact.partial_sum import sum_of
from rdpass.passes.exact.shortcut_layers import shortcut_layers
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.merge_convs import convolution
from tests.models import PreActivation, Residual, conv_bn
from tests.passes.exact.exact_cases import iresnet_block, near_identity, resnet_d, two
from tests.passes.exact.regions import traced_block


def parsed(block):
    traced, region = traced_block(block)
    steps = body_path(traced.module, region, sum_of(traced.module, region).body)
    layers = shortcut_layers(traced.module, region)
    return traced.module, parse_body(steps), layers, region.shape[1]


def all_choices(block):
    return list(choices(*(part for part in parsed(block))))


def test_a_body_is_cut_at_its_convolutions_with_the_per_channel_layers_that_each_absorbs():
    _, body, _, _ = parsed(PreActivation(4))
    assert [step.kind for step in body.lead] == ["affine", "activation"]
    first, second = body.units
    assert ([step.kind for step in first.absorbed], [step.kind for step in first.after]) == (["affine"], ["activation"])
    assert second.absorbed == second.after == ()


def test_a_body_without_a_convolution_is_refused():
    with pytest.raises(NotExact, match="no convolution"):
        parse_body(())


def test_a_plain_block_has_one_way_and_each_layer_of_the_shortcut_a_place_in_one_of_the_convolutions():
    (only,) = all_choices(two())
    assert (only.entry, only.places, only.summed, only.interleaved, only.interleaved_last) == (
        "shared",
        (),
        False,
        1,
        1,
    )
    found = all_choices(resnet_d())
    assert {choice.places for choice in found} == {(a, b) for a in range(3) for b in range(a, 3)}


def test_behind_an_activation_or_in_a_grouped_last_convolution_the_sum_is_a_layer_of_its_own():
    assert {choice.summed for choice in all_choices(two(last=[nn.GELU()]))} == {True}
    grouped = all_choices(two({"groups": 2}))
    assert {choice.summed for choice in grouped} == {False, True}
    assert {choice.interleaved for choice in grouped} == {1, 2}


def test_what_stands_before_the_first_convolution_is_undone_where_that_is_sound_or_acts_on_a_copy():
    assert {choice.entry for choice in all_choices(PreActivation(4))} == {"duplicated"}

    def entries(spoil):
        block = iresnet_block(4)
        traced, region = traced_block(block)
        near_identity(traced.module)
        norm = traced.module.get_submodule("2.body.0")
        spoil(norm)
        steps = body_path(traced.module, region, sum_of(traced.module, region).body)
        return {choice.entry for choice in choices(traced.module, parse_body(steps), (), 4)}

    assert entries(lambda norm: None) == {"undone", "duplicated"}
    assert entries(lambda norm: nn.init.zeros_(norm.weight[:1])) == {"duplicated"}
    assert entries(lambda norm: nn.init.constant_(norm.bias, 1e4)) == {"duplicated"}


def test_consecutive_linear_steps_are_one_map():
    graph_module, body, _, _ = parsed(Residual(nn.Sequential(*conv_bn(4, 4), nn.ReLU(), *conv_bn(4, 4))))
    unit = body.units[0]
    linear = own_map(graph_module, (unit.conv, *unit.absorbed))
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    conv, norm = (graph_module.get_submodule(step.node.target) for step in (unit.conv, *unit.absorbed))
    with torch.no_grad():
        assert torch.allclose(convolution(linear, x)(x), norm(conv(x)), atol=1e-10)
