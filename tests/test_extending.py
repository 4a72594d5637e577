"""The pages on extending rdpass: their code runs as it stands, from top to bottom."""

import ast
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "extending").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_of(page):
    """The page's Python, on the lines where it stands there."""
    text = page.read_text()
    lines = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        first = text[: block.start(1)].count("\n")
        code = block[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_and_its_own_assertions_hold(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = code_of(page)
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code)))
    module = ModuleType(f"page_on_{page.stem}")  # dataclasses look their module up
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, page, "exec", dont_inherit=True), vars(module))
