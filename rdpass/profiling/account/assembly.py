"""Blocks of a loop that a kernel writes as assembly, inside LLVM's text for the function that holds it.

The text is of three parts: what stands before the loop, its turns but the last, and the last turn, which loads nothing
for a next one. A core counts the loop's turns down in a register.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from rdpass.profiling.account.block import Block

WRITTEN = "pragma_import_llvm"
"""The attribute that such a text is the value of."""

_TEXT = re.compile(r'asm sideeffect "([^"]*)"')
_LINE = "\\0A"
_START, _END = "1:", "b.ne 1b"


def assembly_blocks(text: str) -> Counter[Block]:
    """The blocks of one run, with how often each runs; none where the text has no assembly in it.

    Args:
        text: LLVM's for a function.
    """
    found: Counter[Block] = Counter()
    for written in _TEXT.findall(text):
        for lines, runs in _parts(written.split(_LINE)):
            if lines:
                found[_block(lines)] += runs
    return found


def _parts(lines: Sequence[str]) -> Iterator[tuple[Sequence[str], int]]:
    if _START not in lines:
        yield lines, 1
        return
    start, end = lines.index(_START), lines.index(_END)
    yield lines[:start], 1
    yield lines[start + 1 : end + 1], _turns(lines[:start], lines[start:end])
    yield lines[end + 1 :], 1


def _turns(before: Sequence[str], loop: Sequence[str]) -> int:
    """The number that the register starts from which the loop counts down."""
    counter = next(line.split()[1] for line in loop if line.startswith("subs ")).rstrip(",")
    turns = 0
    for line in before:
        if line.startswith((f"movz {counter},", f"movk {counter},")):
            value, _, shift = line.partition("#")[2].partition(", lsl #")
            turns |= int(value) << int(shift or 0)
    return turns


def _block(lines: Sequence[str]) -> Block:
    kinds = Counter(map(_kind, lines))
    return Block(**kinds, in_loop=False)


def _kind(line: str) -> str:
    if line.startswith("sdot "):
        return "products"
    if re.match(r"ldr \$\{\d+:q\}", line):
        return "loads"
    return "integers" if re.match(r"mov \$\d+\.16b", line) else "companions"
