"""Files, modules and commands of the repository that documents, docstrings and comments name are there."""

import re

import pytest

from tests.test_links import PAGES, ROOT

SOURCES = sorted(
    path
    for folder in ("rdpass", "passes", "kernels", "benchmarks", "tests", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if not any(parent.is_symlink() for parent in path.parents)
)
FILES = {f"/{path.relative_to(ROOT)}" for path in [*PAGES, *SOURCES, *ROOT.glob("*.py")]}
IN_PAGE = re.compile(r"(?<![\w/.-])(?:[\w-]+/)*[\w-]+\.py\b")
IN_SOURCE = re.compile(r"(?<![\w/.-])(?:rdpass|passes|kernels|benchmarks|tests|docs)/[\w./-]+\.(?:py|md)\b")
MODULE = re.compile(r"(?:python3? -m |`)((?:rdpass|benchmarks|tests)(?:\.\w+)+)")
ELSEWHERE = {"tinyplugin.py", "my_model.py", "pytorchcv/models/revnet.py", "rdpass.losses"}
"""Readers' own files, one of another project, and a group of entry points."""


def missing_files(text, pattern):
    """The paths in ``text`` that no file of the repository ends with; a page may leave the leading folders out."""
    named = {path.removeprefix("rdpass/") if path.startswith(("rdpass/passes/", "rdpass/kernels/")) else path
             for path in pattern.findall(text)}  # fmt: skip
    return sorted(path for path in named - ELSEWHERE if not any(file.endswith(f"/{path}") for file in FILES))


def missing_modules(text):
    """The dotted names in ``text`` that are no module, and nothing that its module says."""
    return sorted(name for name in set(MODULE.findall(text)) - ELSEWHERE if not _is_said(name.split(".")))


def _is_said(parts):
    """Tell whether the longest module in ``parts`` says the rest: defines it, or lists it by name."""
    for end in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:end])
        found = next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()), None)
        if found is not None:
            return end == len(parts) or re.search(rf"\b{parts[end]}\b", found.read_text()) is not None
    return False


def test_what_is_missing_is_told_and_what_is_there_is_found():
    text = "`rdpass/gone.py`, gone/errors.py, core/errors.py, rdpass/passes/graph/editing.py; rdpass/core/gone.md"
    assert missing_files(text, IN_PAGE) == ["gone/errors.py", "rdpass/gone.py"]
    assert missing_files(text, IN_SOURCE) == ["rdpass/core/gone.md", "rdpass/gone.py"]
    text = "`rdpass.core.gone`, `rdpass.core.errors.ConfigError`, python -m benchmarks.gone, `rdpass.inspect(model)`"
    assert missing_modules(text) == ["benchmarks.gone", "rdpass.core.gone"]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_page_names_what_is_there(page):
    assert missing_files(page.read_text(), IN_PAGE) == []
    assert missing_modules(page.read_text()) == []


@pytest.mark.parametrize("folder", ["rdpass", "passes", "kernels", "benchmarks", "tests", "docs"])
def test_sources_name_what_is_there(folder):
    found = {
        path.relative_to(ROOT): [*missing_files(path.read_text(), IN_SOURCE), *missing_modules(path.read_text())]
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] == folder and path.name != "test_names.py"
    }
    assert {path: names for path, names in found.items() if names} == {}
