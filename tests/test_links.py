"""Links of the documentation that stay inside the repository lead somewhere: to a file, and to a heading of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md"),
                *ROOT.glob("examples/**/*.md"), *ROOT.glob("runtime/*.md")])  # fmt: skip
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(page):
    """As GitHub names headings: lower case, punctuation gone, spaces as hyphens."""
    titles = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page):
    for path, anchor in LINK.findall(FENCED.sub("", page.read_text())):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{path}#{anchor}" if anchor else path


def test_a_heading_is_found_by_its_anchor_and_what_is_missing_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What it *costs*, here\n[a](#what-it-costs-here) [b](#gone) [c](gone.md) [d](https://e.org/x)\n")
    assert list(broken(page)) == ["#gone", "gone.md"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_inside_the_repository_lead_somewhere(page):
    assert list(broken(page)) == []
