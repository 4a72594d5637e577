"""From translation blocks, which QEMU cuts as suits it, to basic blocks.

QEMU ends a block at 512 instructions and at page borders, and a loop's first turn is translated together with the code
before it. So:

1. every address gets the sum of the runs of the translation blocks that hold it;
2. addresses in a row with equal counts form one basic block, up to and including a branch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rdpass.profiling.emulation.instructions import is_branch, is_fmla


@dataclass(frozen=True)
class TranslationBlock:
    """A piece of code that ran ``runs`` times, with the cache lines that its accesses missed."""

    address: int
    runs: int
    l1_misses: int
    l2_misses: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class BasicBlock:
    """Straight code that ran ``runs`` times from its first word to its last."""

    address: int
    runs: int
    words: tuple[int, ...]

    @property
    def instructions(self) -> int:
        """Instructions executed, over all runs."""
        return self.runs * len(self.words)

    @property
    def fmla(self) -> int:
        """Instructions of one run that are a fused multiply-add of four lanes."""
        return sum(map(is_fmla, self.words))


def basic_blocks(translated: Iterable[TranslationBlock]) -> tuple[BasicBlock, ...]:
    """Basic blocks by address; their instructions are together as many as the translation blocks'."""
    counts: dict[int, int] = {}
    words: dict[int, int] = {}
    for block in translated:
        for index, word in enumerate(block.words):
            address = block.address + 4 * index
            counts[address] = counts.get(address, 0) + block.runs
            words[address] = word
    found: list[BasicBlock] = []
    start, gathered = 0, list[int]()
    for address in sorted(counts):
        gathered = gathered or list[int]()
        start = start if gathered else address
        gathered.append(words[address])
        if is_branch(words[address]) or counts.get(address + 4) != counts[address]:
            found.append(BasicBlock(start, counts[address], tuple(gathered)))
            gathered = []
    return tuple(found)
