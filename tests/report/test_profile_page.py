"""The page of a profile: layers by cost, a map of memory, text that is text, and nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from rdpass.report.profile_page import memory_map, profile_page
from tests.profiling.profiles import made_up, timing
from tests.report.browser import CHROMIUM, SCHEMES, measured


class Page(HTMLParser):
    """The rows of a page's tables, its drawings' titles, and its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.titles: list[str] = []
        self.elements: set[str] = set()
        self.into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "title"):
            self.into = self.rows[-1] if tag == "td" else self.titles
            self.into.append("")

    def handle_endtag(self, tag):
        if tag in ("td", "title"):
            self.into = None

    def handle_data(self, data):
        if self.into is not None:
            self.into[-1] += data


def test_layers_stand_by_cost_with_their_figures():
    page = Page(profile_page(made_up(), "net.rdp"))
    rows = [row for row in page.rows if len(row) == 9]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert rows[0][1:] == ["f32_direct_k3x3", "0.6000", "0.7000", "75.0 %", "10", "4,000", "1,000",
                           "arithmetic, 80% of peak"]  # fmt: skip
    assert rows[1][1] == "fused_softmax (fallback)"
    assert ["whole inference, layers timed", "1.0500 ms"] in page.rows


def test_the_map_has_every_map_where_and_when_it_lies():
    drawing = memory_map(made_up())
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="(\w+)"', drawing)
    assert [box[-1] for box in boxes] == ["map", "map", "scratch", "output"]
    assert float(boxes[0][2]) == pytest.approx(2 * float(boxes[1][2]), abs=0.2)  # two layers, and one
    assert float(boxes[3][1]) < float(boxes[2][1]) < float(boxes[0][1])  # upwards
    assert "output, 64 bytes at 2048, layers 1 to 2" in Page(drawing).titles


def test_names_are_escaped_and_nothing_is_loaded_from_elsewhere():
    hostile = "<script>alert(1)</script>&\"'\x1b[31m"
    text = profile_page(made_up(hostile), hostile)
    page = Page(text)
    assert text.count("<script>") == 1  # the page's own
    assert not page.elements & {"link", "img", "iframe", "object"}
    assert "default-src 'none'" in text
    assert "\x1b" not in text
    assert any("<script>alert(1)</script>" in row[1] for row in page.rows if len(row) == 9)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_readable_at_every_width_in_light_and_dark(scheme, tmp_path):
    text = profile_page(made_up("f32_direct_k3x3_" * 9, timing(1.0, 1.3, 1.4)), "x" * 300)
    for width, found in measured(text, scheme, tmp_path / "browser").items():
        assert found["dark"] == (scheme == "dark")
        assert found["overflow"] <= 0, width
        assert {name: found[name] for name in ("clipped", "faint", "small", "outside")} == {
            "clipped": [], "faint": [], "small": [], "outside": [],
        }, width  # fmt: skip


def test_it_says_in_one_sentence_where_the_time_goes_and_what_not_to_believe():
    text = profile_page(made_up(times=timing(1.0, 1.3, 1.4, emulated=True)), "net.rdp")
    assert "1.3 ms an inference. The slowest layer takes 75% of what all 3 take." in text
    assert "2.11 kB in all; most of it is in use at layer 1, 1.6 kB." in text
    assert "Not to be believed" in text
    assert "these times mean nothing" in text
