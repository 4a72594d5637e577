"""The counting plugin: compiled once for its source, kept in the cache, and what is missing is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation import plugin
from rdpass.profiling.emulation.plugin import cache_folder, counting_plugin


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def test_it_is_compiled_once_and_nothing_else_is_left(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = counting_plugin()
    assert place.parent == own_cache
    assert place.read_bytes().startswith(b"\x7fELF")
    assert list(own_cache.iterdir()) == [place]
    monkeypatch.setattr(plugin, "_compile", None)  # not to be called again
    assert counting_plugin() == place


def test_another_source_is_another_file(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = counting_plugin()
    changed = tmp_path / "counting.c"
    changed.write_bytes(plugin._SOURCE.read_bytes() + b"\n/* changed */\n")
    monkeypatch.setattr(plugin, "_SOURCE", changed)
    assert counting_plugin() != first
    assert first.exists()


def test_a_source_that_does_not_compile_is_told_and_leaves_no_file(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting.c").write_text("this is no C")
    monkeypatch.setattr(plugin, "_SOURCE", tmp_path / "counting.c")
    with pytest.raises(TargetError, match=r"could not be compiled: (.|\n)*error"):
        counting_plugin()
    assert list(own_cache.iterdir()) == []


@pytest.mark.usefixtures("own_cache")
def test_without_a_compiler_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TargetError, match=r"no C compiler .* apt install gcc"):
        counting_plugin()
