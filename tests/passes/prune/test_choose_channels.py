"""The least important channels leave, in steps of whole blocks, until the budget is met and no further."""

from __future__ import annotations

import pytest
from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.passes.prune.choose_channels import Tally, channel_sets, choose_channels
from rdpass.passes.prune.find_channels import find_channels
from rdpass.passes.prune.remove_channels import left
from tests.models import classifier, inverted_residual
from tests.passes.prune.nets import IMAGE, PRUNABLE, traced


def channels_of(*widths):
    """Those of a chain of 1x1 convolutions."""
    layers = [nn.Conv2d(a, b, 1) for a, b in zip((3, *widths), (*widths, 5), strict=True)]
    return find_channels(traced(nn.Sequential(*layers)).module, (IMAGE,))


def macs_left(channels, gone):
    tally = Tally(channels)
    tally.take(gone)
    return tally.macs


def in_order(channels):
    """Scores that grow with the channels' numbers."""
    return {unit: float(index) for layer in channels.layers for index, unit in enumerate(layer.writes)}


def test_the_least_important_channels_leave_over_all_layers():
    channels = channels_of(8, 8)
    first, second = (layer.writes for layer in channels.layers[:2])
    scores = {unit: 1.0 + index for index, unit in enumerate(first)} | {unit: 0.01 for unit in second}
    gone, _ = choose_channels(channels, scores, 0.2, 1, 0.25)
    assert gone <= {*second}
    gone, _ = choose_channels(channels, scores, 0.7, 1, 0.25)
    assert left(second, gone) == 2
    assert {*first} & gone == {*first[: 8 - left(first, gone)]}


def test_no_more_leaves_than_the_budget_asks_for():
    channels = channels_of(16, 16)
    whole = macs_left(channels, set())
    gone, _ = choose_channels(channels, in_order(channels), 0.3, 1, 0.0)
    last = max(gone, key=in_order(channels).__getitem__)
    assert macs_left(channels, gone) <= 0.7 * whole < macs_left(channels, gone - {last})


def test_what_a_larger_step_made_needless_comes_back():
    channels = channels_of(8, 64)
    small, large = (layer.writes for layer in channels.layers[:2])
    scores = {unit: 1.0 for unit in large} | {unit: 9.0 for unit in large[4:]} | {unit: 2.0 for unit in small}
    assert choose_channels(channels, scores, 0.05, 4, 0.5)[0] == {*large[:4]}
    gone, _ = choose_channels(channels, scores, 0.3, 4, 0.5)
    assert gone == {*small[:4]}
    assert macs_left(channels, gone) <= 0.7 * macs_left(channels, ())


@pytest.mark.parametrize(("width", "multiple", "widths"), [(20, 8, {20, 16, 8}), (16, 16, {16}), (12, 5, {12, 10, 5})])
def test_widths_become_multiples_and_the_first_step_fills_up_a_block(width, multiple, widths):
    channels = channels_of(width)
    found = set()
    for share in (0.1, 0.3, 0.5):
        try:
            gone, skipped = choose_channels(channels, in_order(channels), share, multiple, 0.0)
        except ConfigError:
            continue
        found.add(left(channels.layers[0].writes, gone))
        assert skipped[0].reason == "output: an output of the network"
    assert found <= widths
    assert found or widths == {width}


def test_a_layer_of_a_single_block_is_left_out_with_the_reason():
    channels = channels_of(8, 32)
    _, skipped = choose_channels(channels, in_order(channels), 0.3, 16, 0.0)
    assert [each.reason for each in skipped] == [
        "of 8 channels no block of 16 can leave", "output: an output of the network",
    ]  # fmt: skip


def test_a_unit_that_a_layer_writes_several_times_counts_so_often():
    model = classifier(nn.Sequential(nn.Conv2d(4, 16, 1), nn.Conv2d(16, 16, 3, groups=4)), channels=16)
    channels = find_channels(traced(model).module, (IMAGE,))
    grouped = next(each for each in channel_sets(channels) if 4 in each.counts)
    assert len(grouped.units) == 4
    assert (grouped.step(4), grouped.step(8), grouped.step(16), grouped.step(3)) == (1, 2, 4, 3)


def test_a_floor_holds_in_every_layer():
    channels = channels_of(8, 8)
    gone, _ = choose_channels(channels, in_order(channels), 0.6, 1, 0.5)
    assert [left(layer.writes, gone) for layer in channels.layers[:2]] == [4, 4]
    with pytest.raises(ConfigError, match="lower the floor"):
        choose_channels(channels, in_order(channels), 0.9, 1, 0.5)


def test_the_floor_of_a_step_is_of_the_widths_before_all_steps():
    channels = channels_of(8, 8)
    with pytest.raises(ConfigError, match="lower the floor"):
        choose_channels(channels, in_order(channels), 0.6, 1, 0.5, {"0": 16, "1": 12})
    gone, _ = choose_channels(channels, in_order(channels), 0.2, 1, 0.5, {"0": 16, "1": 12})
    assert [left(layer.writes, gone) for layer in channels.layers[:2]] == [8, 6]


def test_channels_of_a_depthwise_layer_leave_with_those_that_it_reads():
    channels = find_channels(traced(classifier(inverted_residual(4, 8), channels=4)).module, (IMAGE,))
    wide = [each for each in channel_sets(channels) if len(each.units) == 8]
    assert [each.layers for each in wide] == [("_1_body_0", "_1_body_3")]


def test_what_leaves_together_is_one_set_and_slices_of_a_map_are_sets_of_their_own():
    channels = find_channels(traced(PRUNABLE["split"]()).module, (IMAGE,))
    assert sorted(len(each.units) for each in channel_sets(channels)) == [3, 5, 8]


def test_macs_are_those_of_what_is_left():
    channels = channels_of(8)
    gone = {*channels.layers[0].writes[:4]}
    assert macs_left(channels, gone) == (3 * 4 + 4 * 5) * 64
