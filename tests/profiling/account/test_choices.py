"""The choices of a user, each with its account, or the reason why it has none."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.numeric_types import BYTES, SINGLE, Precision
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.profiling.account.choices import (
    as_precision,
    estimate,
    estimate_choices,
    estimate_conversion,
    precisions_of,
)
from rdpass.targets.lookup import find_target
from tests.models import Applied, bottleneck, classifier, seeded
from tests.onnx.nets import Net
from tests.support import Untouched

RPI4 = find_target("rpi4")


def test_a_bottleneck_network_costs_less_without_its_shortcuts_and_is_left_as_it_was() -> None:
    model = seeded(lambda: classifier(bottleneck(32, 8), bottleneck(32, 8), channels=32))
    before = Untouched(model)
    traced = trace(model, torch.randn(1, 3, 32, 32))
    regions, _ = take_census(traced)
    choices, skipped = estimate_choices(traced, regions, RPI4)
    before.check()
    assert skipped == ()
    names = [(choice.network, choice.precision) for choice in choices]
    assert names == [(network, kind) for network in ("as it is", "plain") for kind in ("float32", "int8")]
    own, own_bytes, plain, plain_bytes = choices
    for single, quantised in ((own, own_bytes), (plain, plain_bytes)):
        assert quantised.weight_bytes < single.weight_bytes
        assert quantised.peak_bytes < single.peak_bytes
    assert plain.cycles < own.cycles
    assert plain.peak_bytes < own.peak_bytes
    assert plain.weight_bytes <= own.weight_bytes


def test_what_no_onnx_can_say_is_skipped_with_its_reason_and_the_census_stands() -> None:
    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 1), Applied(torch.special.i0)), torch.rand(1, 3, 4, 4))
    choices, skipped = estimate_choices(traced, (), RPI4)
    assert choices == ()
    assert [each.add for each in skipped] == ["as it is"]
    assert "ONNX" in skipped[0].reason


def test_a_core_of_half_precision_has_it_among_its_choices_and_others_have_not() -> None:
    assert precisions_of(find_target("rpi5")) == ("float32", "fp16", "int8")
    assert precisions_of(RPI4) == ("float32", "int8")


def test_a_core_without_figures_is_told_before_anything_is_exported(monkeypatch) -> None:
    monkeypatch.setattr("rdpass.profiling.account.choices.draft_onnx", lambda *_: pytest.fail("exported"))
    traced = trace(seeded(lambda: classifier(bottleneck(32, 8), channels=32)), torch.randn(1, 3, 8, 8))
    regions, _ = take_census(traced)
    choices, skipped = estimate_choices(traced, regions, replace(RPI4, cpu="made-up"))
    assert choices == ()
    assert [each.add for each in skipped] == ["as it is", "plain"]
    assert "no model of made-up" in skipped[0].reason


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_smaller_weights_are_paid_with_cycles(precision: Precision) -> None:
    net = Net((1, 64, 28, 28))
    source = read_onnx(net.model(net.relu(net.conv(net.relu(net.conv("x0", 64, 64, 3)), 64, 64, 3))))
    fast, small = (estimate("net", source, RPI4, precision, optimize) for optimize in ("speed", "size"))
    assert fast == estimate("net", source, RPI4, precision)
    assert small.weight_bytes < fast.weight_bytes / 3
    assert small.cycles > 1.3 * fast.cycles


def test_what_a_conversion_made_stands_beside_what_was_forecast_and_a_plain_student_is_as_forecast() -> None:
    traced = trace(seeded(lambda: classifier(bottleneck(32, 8), channels=32)), torch.randn(1, 3, 16, 16))
    regions, _ = take_census(traced)
    student = remove_shortcuts(traced.module, regions)
    int8 = as_precision(read_onnx(draft_onnx(student, traced.example)), BYTES).model
    found = estimate_conversion(traced, regions, student, int8, RPI4)
    assert (found.target, found.skipped) == ("rpi4", ())
    costs = {(choice.network, choice.precision): (choice.ms, choice.peak_bytes) for choice in found.choices}
    assert list(costs) == [(network, precision) for network in ("as it is", "plain", "student")
                           for precision in (SINGLE, BYTES)]  # fmt: skip
    assert costs["student", SINGLE] == costs["plain", SINGLE] != costs["as it is", SINGLE]
    assert costs["student", BYTES] == costs["plain", BYTES]


def test_a_file_that_can_not_be_read_leaves_the_others_estimated() -> None:
    traced = trace(seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 1))), torch.rand(1, 3, 4, 4))
    found = estimate_conversion(traced, (), traced.module, onnx.ModelProto(), RPI4)
    assert [(each.network, each.precision) for each in found.choices if each.precision == SINGLE] == [
        ("as it is", SINGLE), ("student", SINGLE),
    ]  # fmt: skip
    assert [each.add for each in found.skipped if each.add.startswith("student")] == ["student in int8"]
