"""The pages of docs/evidence/ are what the committed lines give, and docs/evidence.md says nothing that they don't."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.research.command import DOCS, RESULTS
from benchmarks.research.grids.catalogue import GRIDS
from benchmarks.research.report.pages import write_pages

SUMMARY = (DOCS / "evidence.md").read_text()
MEAN = re.compile(r"-?\d+\.\d+ ± \d+\.\d+")
WANTED = {"id", "arm", "recipe", "form", "net", "depth", "seed", "accuracy", "validation", "teacher_accuracy", "epochs",
          "steps", "macs", "peak_bytes", "device", "seconds", "versions"}  # fmt: skip


def sections():
    """Of the summary: title and text."""
    return [part.split("\n", 1) for part in SUMMARY.split("\n## ")[1:]]


def test_the_pages_are_the_report_of_the_committed_lines(tmp_path):
    written = {page.name: page.read_text() for page in write_pages(tmp_path, RESULTS)}
    committed = {page.name: page.read_text() for page in (DOCS / "evidence").iterdir()}
    assert written == committed, "python -m benchmarks.research --report"
    drawn = {path.name for path in (tmp_path / "img").glob("*.svg")}
    assert drawn <= {path.name for path in (DOCS / "img").glob("*.svg")}


@pytest.mark.parametrize(("title", "text"), sections(), ids=[title for title, _ in sections()])
def test_a_mean_in_the_summary_stands_in_a_table_of_a_page_that_its_section_links_to(title, text):
    linked = set(re.findall(r"\]\((evidence/[a-z-]+\.md)", text))
    tables = " ".join((DOCS / name).read_text() for name in linked)
    assert set(MEAN.findall(" ".join(text.split()))) <= set(MEAN.findall(tables))


def test_the_summary_stays_short_and_names_every_page():
    assert len(SUMMARY.splitlines()) <= 150
    assert all(f"](evidence/{name}.md" in SUMMARY for name in (*GRIDS, "recipes"))


def test_every_line_is_whole_and_of_its_files_grid():
    for name in GRIDS:
        path = Path(RESULTS / f"{name}.jsonl")
        for text in path.read_text().splitlines() if path.exists() else ():
            record = json.loads(text)
            assert record["grid"] == name
            assert set(record) >= WANTED
