"""A plan as tables: figures for people, and names that are markup."""

import re
from dataclasses import replace

import pytest

from rdpass.cli.app import run
from rdpass.cli.forecast_tables import _counted, _peak, print_plan
from tests.inspected import RESNET


def test_an_estimate_of_seconds_is_printed_without_an_exponent(capsys):
    assert run(["inspect", RESNET, "--input", "1x3x1024x1024", "--target", "rpi3", "--quick"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" model, adds fused")]
    assert re.search(r"\d to \d{3,}\b", line)
    assert "e+" not in line


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0.0 k"), (272_200, "272.2 k"), (25_557_032, "25.56 M"), (4_089_000_000, "4.089 G")]
)
def test_counts_have_four_figures_or_so(count, words):
    assert _counted(count) == words


def test_a_schedule_that_may_not_be_the_best_says_the_bound(inspected):
    plan, _ = inspected
    memory = replace(plan.forecast.model.fused, schedule="greedy", peak_bytes=5000, at_least_bytes=4000)
    assert _peak(memory) == "5.0 kB (greedy; optimum at least 4.0 kB)"
    assert _peak(replace(memory, schedule="optimal")) == "5.0 kB"


def test_every_add_is_named_and_the_verdict_is_the_last_line(inspected, capsys):
    plan, _ = inspected
    print_plan(plan)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[-1] == plan.forecast.verdict
    for add in (*(region.add for region in plan.regions), *(skipped.add for skipped in plan.skipped)):
        assert any(line.split()[:1] == [add] for line in lines)
    assert f"estimated ms on {plan.forecast.target}" in shown
    assert ("shortcut" in shown.partition("forecast")[0]) == bool(plan.regions)
