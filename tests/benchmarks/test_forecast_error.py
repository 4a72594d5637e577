"""The comparison of forecasts with counts: its shares and ratios, its plot, and one network from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import forecast_error
from benchmarks.forecast_error import NETWORKS, Costs, Record, Row, plot, rows, summary
from rdpass.core.plan import Skipped


def row(variant: str, forecast: float, counted: float, peak: int = 1000) -> Row:
    return Row("net", variant, "float32", "cortex-a72", Costs(forecast, 1e6, 0, peak), Costs(counted, 1e6, 0, 1000))


def test_at_least_25_networks_are_compared_each_once() -> None:
    assert len(set(NETWORKS)) == len(NETWORKS) >= 25


def test_the_summary_has_the_shares_within_the_bounds_and_the_largest_errors() -> None:
    found = [row("as it is", 10, 10), row("plain", 8.7, 8, peak=1050)]
    assert summary(found) == pytest.approx({
        "networks": 1, "rows": 2, "ratios": 1,
        "time_within": 1.0, "time_largest": 0.0875, "peak_within": 0.5, "peak_largest": 0.05,
        "ratio_within": 0.0, "ratio_largest": 0.0875,
    })  # fmt: skip


def test_the_ratio_needs_both_and_only_those_of_one_core() -> None:
    other = replace(row("as it is", 1, 2), target="cortex-a76")
    assert summary([row("plain", 1, 1), other])["ratio_largest"] == 0


def test_the_plot_has_a_dot_for_every_row_and_a_line_for_every_network() -> None:
    drawn = ElementTree.fromstring(plot([row("as it is", 10, 10), row("plain", 9, 8)]))
    words = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert words[1:] == ["net, as it is, float32, cortex-a72: +0.0%", "net, plain, float32, cortex-a72: +12.5%"]
    assert [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")].count("net") == 1


def test_a_count_is_made_once_and_kept_and_what_is_not_known_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_error, "_counted", lambda *given: Costs(2.0, 3e6, 4, 5))
    network = ("tests.models:small_resnet_of_four",)
    unknown = [each.reason for each in rows(network, ["cortex-a72"], ["float32"], tmp_path, known=True, side=16)]
    assert unknown == ["its count is not kept"] * 2
    first = list(rows(network, ["cortex-a72"], ["float32"], tmp_path, side=16))
    assert [found.variant for found in first] == ["as it is", "plain"]
    assert all(json.loads(path.read_text())["ms"] == 2.0 for path in tmp_path.iterdir())
    monkeypatch.setattr(forecast_error, "_counted", None)
    assert list(rows(network, ["cortex-a72"], ["float32"], tmp_path, known=True, side=16)) == first
    assert first[1].forecast.cycles < first[0].forecast.cycles


def test_cores_and_precisions_take_turns_over_all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(forecast_error, "_rows_of", lambda spec, precision, target, *rest: iter(
        [asked.append((spec, precision, target.name)) or Skipped(spec, "")]))  # fmt: skip
    list(rows(["a:a", "b:b"], ["cortex-a72", "cortex-a76"], ["float32", "int8"]))
    assert asked[:2] == [("a:a", "float32", "cortex-a72"), ("b:b", "float32", "cortex-a76")]
    assert len(set(asked)) == len(asked) == 8


def test_a_network_that_fails_is_told_and_the_next_one_comes() -> None:
    found = list(rows(["tests.models:no_such", "tests.models:seeded"], ["cortex-a72"], ["float32"], side=16))
    assert all(isinstance(each, Skipped) for each in found)
    assert [each.add for each in found] == ["no_such", "seeded"]


def test_a_run_goes_on_from_the_rows_on_record_of_the_same_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [row("as it is", 10, 10), row("plain", 9, 8)]
    monkeypatch.setattr(forecast_error, "_rows_of", lambda *given: iter(made))
    first = list(rows(["a:net"], ["cortex-a72"], ["float32"], record=Record(tmp_path / "rows")))
    monkeypatch.setattr(forecast_error, "_rows_of", None)
    assert list(rows(["a:net"], ["cortex-a72"], ["float32"], record=Record(tmp_path / "rows"))) == first == made
    monkeypatch.setattr(forecast_error, "source_digest", lambda: "of other code")
    assert Record(tmp_path / "rows").rows("net", "float32", "cortex-a72") == ()
