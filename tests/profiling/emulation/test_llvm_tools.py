"""LLVM's tools: the newest that is there, or the package to install."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation import llvm_tools


def test_an_old_llvm_and_none_at_all_are_refused_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llvm_tools.Path, "glob", lambda *_: iter(()))
    monkeypatch.setenv("PATH", str(tmp_path))
    llvm_tools.find_llvm_tool.cache_clear()
    with pytest.raises(TargetError, match="apt install llvm-19"):
        llvm_tools.find_llvm_tool("llvm-mca")
    old = tmp_path / "llvm-mca"
    old.write_text("#!/bin/sh\necho 'LLVM version 14.0.6'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(TargetError, match="is too old"):
        llvm_tools.find_llvm_tool("llvm-mca")
    old.write_text("#!/bin/sh\necho 'Debian LLVM version 21.1.0'\n")
    assert llvm_tools.find_llvm_tool("llvm-mca") == str(old)
    llvm_tools.find_llvm_tool.cache_clear()


def test_a_tool_that_prints_nothing_is_an_error_with_its_first_complaint(llvm: None) -> None:
    with pytest.raises(TargetError, match=r"llvm-mc -triple=none failed: .*none"):
        llvm_tools.run_llvm_tool("llvm-mc", ["-triple=none"], "nop\n")


@pytest.mark.parametrize(
    ("said", "version"),
    [("LLVM version 19.1.7", (19, 1, 7)), ("Debian LLVM version 21.1.0-rc1", (21, 1, 0)), ("gcc 12", ()), ("", ())],
)
def test_the_version_is_read_from_what_a_tool_says(said: str, version: tuple[int, ...], tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\necho '{said}'\n")
    tool.chmod(0o755)
    assert llvm_tools.llvm_version(str(tool)) == version
