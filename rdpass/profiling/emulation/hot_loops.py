"""The loops where a program spends its instructions, with the share of each that multiplies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.disassembly import disassemble
from rdpass.profiling.emulation.instructions import classify, vectors_moved

HOT = 0.05
"""A block is hot if it executes at least this share of all instructions."""


@dataclass(frozen=True)
class HotLoop:
    """A basic block, its branch included: how often it ran, its share of all instructions, and what it consists of.

    ``fewest``: instructions that its arithmetic and its data need, every two vectors loaded or stored by one of them,
    and no address computed, nothing counted and no branch taken.
    """

    address: int
    runs: int
    share: float
    instructions: int
    fmla: int
    fewest: int
    assembly: tuple[str, ...]

    @property
    def fmla_share(self) -> float:
        """Of the instructions of one run, those that are a fused multiply-add of four lanes."""
        return self.fmla / self.instructions

    @property
    def fmla_bound(self) -> float:
        """The share that it could have with this register tile: see ``fewest``."""
        return self.fmla / max(self.fewest, 1)


def hot_loops(blocks: Sequence[BasicBlock], threshold: float = HOT) -> tuple[HotLoop, ...]:
    """The hot blocks of all that ran, hottest first. A program of one straight piece of code has that as its loop."""
    total = sum(block.instructions for block in blocks)
    hot = sorted((b for b in blocks if b.instructions >= threshold * total), key=lambda b: -b.instructions)
    texts = disassemble(word for block in hot for word in block.words)
    return tuple(
        HotLoop(
            block.address,
            block.runs,
            block.instructions / total,
            len(block.words),
            block.fmla,
            _fewest(block.words),
            tuple(texts.get(word, f".inst {word:#010x}") for word in block.words),
        )
        for block in hot
    )


def _fewest(words: Sequence[int]) -> int:
    moved = {"load": 0, "store": 0}
    arithmetic = 0
    for word in words:
        kind = classify(word)
        if kind == "load" or kind == "store":
            moved[kind] += vectors_moved(word)
        arithmetic += kind in ("fmla", "simd")
    return arithmetic + sum(-(-count // 2) for count in moved.values())
