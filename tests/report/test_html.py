"""Pages in a browser: nothing clipped, faint or too small at three widths and in both schemes, whatever names are."""

import json
import shutil

import pytest

from rdpass.core.checksums import sealed_object
from rdpass.report.html import render
from rdpass.report.page import report_page
from tests.report.browser import CHROMIUM, SCHEMES, measured

HOSTILE = (
    "<img src=x onerror=attacked=1>",
    "</script><script>attacked=1</script>",
    "two\nlines\x07",
    "layer." * 60,
    "x" * 400,
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}\N{RIGHT-TO-LEFT OVERRIDE}kept",
    "{{ 7 * 7 }}",
)
CHOICE = {"cycles": 1.0, "dram_bytes": 1, "peak_bytes": 1_500_000, "weight_bytes": 44_700_000, "code_bytes": 1000}


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    """Of a run of many shortcuts, all of whose names are hostile."""
    copied = tmp_path_factory.mktemp("hostile") / "<b>run" / "\N{HEBREW LETTER ALEF}<b>"
    copied.mkdir(parents=True)
    for name in ("student.pt2", "network.svg", "history.jsonl", "config.toml"):
        shutil.copy(trained / name, copied / name)
    drawing = (
        (copied / "network.svg")
        .read_text()
        .replace("<rect", "<script>attacked=1</script><a href='javascript:1'>x</a><rect onclick='attacked=1'", 1)
    )
    (copied / "network.svg").write_text(drawing)
    record = json.loads((trained / "conversion.json").read_text())
    del record["sha256"]
    region, outcome, gate = record["plan"]["regions"][0], record["outcomes"][0], record["gates"][0]
    names = [f"{name}{place}" for place in range(3) for name in HOSTILE]
    record["plan"]["regions"] = [{**region, "add": name, "path": name} for name in names]
    record["outcomes"] = [{**outcome, "add": name, "reason": name, "how": "kept"} for name in names]
    record["plan"]["skipped"] = [{"add": name, "reason": name} for name in HOSTILE]
    record["gates"] = [{**gate, "name": name, "error": 0.9 * gate["tolerance"]} for name in names]
    record["estimated"] = {
        "target": HOSTILE[0],
        "choices": [{**CHOICE, "network": network, "precision": precision, "ms": 1234.5}
                    for network in ("as it is", "student") for precision in ("float32", "int8")],
        "skipped": [],
    }  # fmt: skip
    (copied / "conversion.json").write_text(json.dumps(sealed_object({**record, "files": {}})))
    return report_page(copied)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_of_hostile_names_is_readable_at_every_width(page, scheme, tmp_path):
    for width, found in measured(page, scheme, tmp_path / "browser").items():
        assert found["dark"] == (scheme == "dark")
        assert (found["paper"] < 0.1) == (scheme == "dark")
        assert found["overflow"] <= 0, width
        assert {name: found[name] for name in ("clipped", "faint", "small", "outside")} == {
            "clipped": [], "faint": [], "small": [], "outside": [],
        }, width  # fmt: skip
        assert found["folded"] == [True, False]  # gates, for one is close, and settings
        left, rows = found["filtered"]
        assert 0 < left < rows
        assert (found["scripts"], found["foreign"], found["attacked"]) == (1, 0, False)


def test_letters_that_nobody_sees_or_that_turn_others_round_are_replaced(page):
    assert not set("\x07\N{RIGHT-TO-LEFT OVERRIDE}") & set(page)
    assert "two\nlines\N{REPLACEMENT CHARACTER}" in page
    assert "{{ 7 * 7 }}" in page


def test_a_page_allows_no_script_but_its_own_and_loads_nothing(page):
    (policy,) = [line for line in page.splitlines() if "Content-Security-Policy" in line]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert page.count("<script>") == 1


def test_what_a_template_does_not_get_is_an_error():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("rdpass.report", "page.html.jinja", {})
