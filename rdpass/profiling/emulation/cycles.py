"""Estimated core-bound cycles of a profile: the hottest basic blocks by llvm-mca, the rest at their average rate.

Blocks are taken, most executed instructions first, until they cover 98.5 % of all instructions; what is left runs at
the covered blocks' cycles per instruction. One call of llvm-mca a core serves all blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.throughput import CORES, block_cycles

COVERAGE = 0.985


@dataclass(frozen=True)
class BlockTimes:
    """Estimated cycles of one run of each covered block (by its address), and of any other instruction, per core."""

    of_run: Mapping[str, Mapping[int, float]]
    of_instruction: Mapping[str, float]

    def cycles(self, blocks: Sequence[BasicBlock], core: str) -> float:
        """Of all runs of ``blocks``, which are some or all of those that were measured."""
        known, rate = self.of_run[core], self.of_instruction[core]
        return sum(b.runs * known[b.address] if b.address in known else b.instructions * rate for b in blocks)


def measure_blocks(blocks: Sequence[BasicBlock], cores: Sequence[str] = CORES) -> BlockTimes:
    """The times of ``blocks``, all that ran.

    Raises:
        TargetError: llvm-mca or llvm-mc is missing.
    """
    covered = _hottest(blocks)
    of_run, of_instruction = {}, {}
    for core in cores:
        pairs = zip(covered, block_cycles(covered, core), strict=True)
        known = [(block, time) for block, time in pairs if time is not None]
        instructions = sum(block.instructions for block, _ in known)
        of_run[core] = {block.address: time for block, time in known}
        of_instruction[core] = sum(block.runs * time for block, time in known) / max(instructions, 1)
    return BlockTimes(of_run, of_instruction)


def _hottest(blocks: Sequence[BasicBlock]) -> list[BasicBlock]:
    wanted = COVERAGE * sum(block.instructions for block in blocks)
    chosen, covered = [], 0
    for block in sorted(blocks, key=lambda block: (-block.instructions, block.address)):
        if covered > wanted:
            break
        chosen.append(block)
        covered += block.instructions
    return chosen
