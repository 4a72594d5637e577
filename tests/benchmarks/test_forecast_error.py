"""The comparison of forecasts with counts: its shares and ratios, its plot, and one network from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import forecast_error
from benchmarks.forecast_error import NETWORKS, Costs, Row, plot, rows, summary


def row(variant: str, forecast: float, counted: float, peak: int = 1000) -> Row:
    return Row("net", variant, "float32", "cortex-a72", Costs(forecast, 1e6, 0, peak), Costs(counted, 1e6, 0, 1000))


def test_at_least_25_networks_are_compared_each_once() -> None:
    assert len(set(NETWORKS)) == len(NETWORKS) >= 25


def test_the_summary_has_the_shares_within_the_bounds_and_the_largest_errors() -> None:
    found = [row("as it is", 10, 10), row("plain", 8.7, 8, peak=1050)]
    assert summary(found) == pytest.approx({
        "rows": 2, "time_within": 1.0, "time_largest": 0.0875, "peak_within": 0.5, "peak_largest": 0.05,
        "ratio_within": 0.0, "ratio_largest": 0.0875,
    })  # fmt: skip


def test_the_ratio_needs_both_and_only_those_of_one_core() -> None:
    other = replace(row("as it is", 1, 2), target="cortex-a76")
    assert summary([row("plain", 1, 1), other])["ratio_largest"] == 0


def test_the_plot_has_a_bar_for_every_row() -> None:
    drawn = ElementTree.fromstring(plot([row("as it is", 10, 10), row("plain", 9, 8)]))
    words = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert words[1:] == ["net, as it is, float32, cortex-a72: +0.0%", "net, plain, float32, cortex-a72: +12.5%"]


def test_a_count_is_made_once_and_kept_and_what_is_not_known_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_error, "_counted", lambda *given: Costs(2.0, 3e6, 4, 5))
    network = ("tests.models:small_resnet_of_four",)
    assert list(rows(network, ["cortex-a72"], ["float32"], tmp_path, known=True, side=16)) == []
    first = list(rows(network, ["cortex-a72"], ["float32"], tmp_path, side=16))
    assert [found.variant for found in first] == ["as it is", "plain"]
    assert all(json.loads(path.read_text())["ms"] == 2.0 for path in tmp_path.iterdir())
    monkeypatch.setattr(forecast_error, "_counted", None)
    assert list(rows(network, ["cortex-a72"], ["float32"], tmp_path, known=True, side=16)) == first
    assert first[1].forecast.cycles < first[0].forecast.cycles
