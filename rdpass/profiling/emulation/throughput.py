"""Cycles of a basic block: by llvm-mca, or of a core that starts instructions in order by its guide's rules.

Each block is taken as a loop's body, in its steady state: all loads hit L1, all branches are predicted. LLVM's model of
Cortex-A57 (which A72 uses) lets two 128-bit FMLA start in a cycle where the core starts one: the number of FMLA is a
floor under the model's answer. Branches and ADR are left out: llvm-mca does not follow them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.disassembly import disassemble
from rdpass.profiling.emulation.in_order import in_order_cycles
from rdpass.profiling.emulation.instructions import is_address, is_branch
from rdpass.profiling.emulation.llvm_tools import find_llvm_tool, run_llvm_tool

FMLA_CYCLES: Mapping[str, float] = {
    "cortex-a72": 1.0,
    "neoverse-n1": 0.5,
    "neoverse-v1": 0.25,
}
"""Cycles from one 128-bit FMLA to the next on each core that llvm-mca times, by the vendor's optimisation guides."""

CORES = ("cortex-a55", "cortex-a72", "neoverse-n1", "neoverse-v1")
"""The cores whose cycles are reported."""

_BY_RULES = ("cortex-a53", "cortex-a55")
"""Those that ``in_order`` times, by the rules of Cortex-A55."""

_ITERATIONS = 60
_OPTIONS = ["-mtriple=aarch64", "-mattr=+all", f"-iterations={_ITERATIONS}", "-json", "-all-views=false",
            "-summary-view"]  # fmt: skip


def block_cycles(blocks: Sequence[BasicBlock], core: str) -> list[float | None]:
    """Cycles of one run of each block on ``core``; ``None`` where its model can't say.

    Raises:
        TargetError: llvm-mca or llvm-mc is missing.
    """
    texts = disassemble(word for block in blocks for word in block.words)
    if core in _BY_RULES:
        return [in_order_cycles([texts[word] for word in block.words if word in texts]) for block in blocks]
    bodies = [_body(block, texts) for block in blocks]
    measured = _measure([body for body in bodies if body], core)
    answers = iter(measured)
    cycles = [next(answers) if body else 1.0 for body in bodies]
    floor = FMLA_CYCLES[core]
    return [None if time is None else max(time, floor * block.fmla) for time, block in zip(cycles, blocks, strict=True)]


def _body(block: BasicBlock, texts: Mapping[int, str]) -> list[str]:
    return [texts[word] for word in block.words if word in texts and not (is_branch(word) or is_address(word))]


def _measure(bodies: Sequence[list[str]], core: str) -> list[float | None]:
    """All bodies in one call; one that ``core`` can't take makes it fail, and is found by halving."""
    if not bodies:
        return []
    source = "".join(
        f"# LLVM-MCA-BEGIN b{index}\n{chr(10).join(body)}\n# LLVM-MCA-END b{index}\n"
        for index, body in enumerate(bodies)
    )
    try:
        printed = run_llvm_tool("llvm-mca", [*_OPTIONS, f"-mcpu={core}"], source)
    except TargetError:
        find_llvm_tool("llvm-mca")
        middle = len(bodies) // 2
        return [*_measure(bodies[:middle], core), *_measure(bodies[middle:], core)] if middle else [None]
    regions = json.loads(printed)["CodeRegions"]
    return [region["SummaryView"]["TotalCycles"] / _ITERATIONS for region in regions]
