"""The page of a search: its verdict, its points with their errors, and nothing from elsewhere."""

import re
from dataclasses import replace

import pytest

from rdpass.core.plan import Skipped
from rdpass.fitting.limits import Limits
from rdpass.fitting.page import PAGE, cells_of, write_page
from tests.fitting.accounts import fit_of, measured
from tests.report.browser import CHROMIUM
from tests.report.browser import measured as measured_in_browser

FOUND = replace(
    fit_of(
        Limits(ms=25, peak_bytes=2e6, drop=0.5), measured("as it is", "float32", 0.0),
        measured("plain", "int8", 0.3, "trained"), probes=(measured("some", "int8", 1.25, "probe of 4 steps"),),
    ),
    verdict="Plain in int8 meets <the> budget", left_out=(Skipped("some", "no time & no memory"),),
)  # fmt: skip


@pytest.fixture
def page(tmp_path):
    assert write_page(FOUND, tmp_path) == tmp_path / PAGE
    return (tmp_path / PAGE).read_text()


def test_the_page_tells_points_probes_costs_and_what_was_left_out(page):
    for words in (
        "Plain in int8 meets &lt;the&gt; budget", "budget: 25 ms, peak 2 MB, drop 0.50",
        "the model itself: top-1 90.00 ± 1.00",
        "89.70 ± 1.00", "-0.30 ± 0.10", "points/plain", "probe of 4 steps", "-1.25 ± 0.10",
        "40 ms of 25 ms (60 % too much)", "a, b, c", "no time &amp; no memory",
    ):  # fmt: skip
        assert words in page, words
    assert page.count('<tr class="best">') == 1


def test_every_chart_has_a_dot_and_a_bar_of_its_error_for_each_point(page):
    charts = re.findall(r"<svg [^>]*role.*?</svg>", page, re.S)
    assert [re.search(r"<title>(.*?)</title>", chart)[1] for chart in charts] == [
        "top-1 against milliseconds", "top-1 against megabytes at the peak", "top-1 against megabytes of weights",
    ]  # fmt: skip
    for chart in charts:
        assert chart.count("<circle") == 2
    assert "plain in int8, trained: 89.7 % at 15 milliseconds" in charts[0]


def test_nothing_on_it_comes_from_elsewhere(page):
    assert not re.findall(r"(?:src|href)=|https?://(?!www\.w3\.org)|<script[^>]|@import", page)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_it_is_readable_at_every_width(page, tmp_path):
    for width, found in measured_in_browser(page, "dark", tmp_path / "browser").items():
        assert found["overflow"] <= 0, width
        assert {name: found[name] for name in ("clipped", "faint", "small", "outside")} == {
            "clipped": [], "faint": [], "small": [], "outside": [],
        }, width  # fmt: skip


def test_a_page_is_replaced_and_stands_without_points(tmp_path):
    (tmp_path / PAGE).write_text("older")
    write_page(replace(FOUND, measured=(), probes=()), tmp_path)
    assert "<h2>Points</h2>" not in (tmp_path / PAGE).read_text()
    assert "<h2>Costs</h2>" in (tmp_path / PAGE).read_text()


def test_cells_name_the_limits_that_are_missed_as_the_arguments_do():
    assert [cells_of(point)[-2] for point in FOUND.points] == ["latency", ""]
