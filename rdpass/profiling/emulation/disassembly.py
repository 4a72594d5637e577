"""Machine words back to assembly text, by llvm-mc, each distinct word once."""

from __future__ import annotations

from collections.abc import Iterable

from rdpass.profiling.emulation.llvm_tools import run_llvm_tool

_OPTIONS = ["--disassemble", "-triple=aarch64", "-mattr=+all"]


def disassemble(words: Iterable[int]) -> dict[int, str]:
    """The text of every word that LLVM can decode.

    Raises:
        TargetError: llvm-mc is missing.
    """
    distinct = sorted(set(words))
    lines = _lines(distinct)
    if len(lines) == len(distinct):
        return dict(zip(distinct, lines, strict=True))
    # One of them is no instruction; which, only asking one by one tells.
    return {word: line for word in distinct for line in _lines([word])}


def _lines(words: list[int]) -> list[str]:
    if not words:
        return []
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in word.to_bytes(4, "little")) for word in words)
    printed = run_llvm_tool("llvm-mc", _OPTIONS, text).splitlines()
    return [line.strip() for line in printed if line.strip() and not line.strip().startswith(".")]
