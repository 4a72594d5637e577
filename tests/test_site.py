"""The site of the documentation: built strictly, with every page in it and nothing that is loaded from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from tests.test_links import ROOT

for package in ("mkdocs", "material", "mkdocstrings", "griffe"):
    pytest.importorskip(package, reason="the extra [docs] is not installed")


@pytest.fixture(scope="module")
def hooks():
    spec = spec_from_file_location("site_hooks", ROOT / "docs/site.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", out]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


class Loaded(HTMLParser):
    """What a browser loads by itself to show a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "iframe"):
            self.found.append(given.get("src") or "")
        if tag == "link" and given.get("rel") in ("stylesheet", "preconnect", "icon"):
            self.found.append(given["href"])


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md")))
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text())
        assert [url for url in loaded.found if re.match(r"(?:https?:)?//", url)] == [], page


@pytest.mark.slow
def test_the_references_have_every_command_and_every_public_name(site):
    import rdpass

    commands = (site / "reference/cli.html").read_text()
    assert all(
        f">rdpass {name}<" in commands for name in ("inspect", "convert", "compile", "db check", "device doctor")
    )
    assert "--preprocess" in commands
    names = (site / "reference/api.html").read_text()
    assert all(f'.{name}"' in names for name in rdpass.__all__ if name != "__version__")
    assert "rdpass.convert(model, example" in re.sub(r"<[^>]+>", "", names)


@pytest.mark.slow
def test_the_search_works_without_a_server(site):
    assert (site / "search/search_index.js").stat().st_size > 100_000
    assert (site / "assets/iframe-worker.js").exists()


def test_links_lead_to_pages_of_the_site_and_links_to_sources_become_text(hooks):
    text = "[a](docs/start.md#x) [b](CHANGELOG.md) [`c.py`](benchmarks/demo.py) ![d](docs/img/how-fold.svg) [e](https://e.org)"
    expected = "[a](start.md#x) [b](changelog.md) `c.py` ![d](img/how-fold.svg) [e](https://e.org)"
    assert hooks.relinked(text, "README.md", "index.md") == expected
    assert (
        hooks.relinked("[s](../../SECURITY.md)", "docs/extending/pass.md", "extending/pass.md")
        == "[s](../security-policy.md)"
    )


def test_lists_behind_text_and_pipes_in_code_are_as_github_reads_them(hooks):
    assert hooks.as_markdown("text\n* a\n* b\n") == "text\n\n* a\n* b\n"
    assert hooks.as_markdown("* a\n  more\n* b\n") == "* a\n  more\n* b\n"
    assert hooks.as_markdown(r"| `a\|b` | x\|y |") == r"| `a|b` | x\|y |"
    assert hooks.outside_fences("a\n```c name\na\n```\na", str.upper) == "A\n```c\na\n```\nA"
