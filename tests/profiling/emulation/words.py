"""Machine words that tests count, and the cycles of a block of them."""

from __future__ import annotations

import re

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.llvm_tools import run_llvm_tool
from rdpass.profiling.emulation.throughput import block_cycles

# fmla v<d>.4s, v30.4s, v31.s[0]: independent of one another
FMLA = [0x4F9F13C0 | register for register in range(16)]


SUBS, BRANCH, ADRP, SVE = 0xF1000529, 0x54FFFFC1, 0x90000000, 0x65A20020
RET = 0xD65F03C0


def adrp(register: int) -> int:
    """Of the instruction's own page."""
    return 0x90000000 | register


def add(to: int, register: int, number: int) -> int:
    return 0x91000000 | number << 10 | register << 5 | to


def bl(at: int, target: int) -> int:
    return 0x94000000 | (target - at) // 4 & 0x03FFFFFF


def cycles_of(core: str, *words: int) -> float:
    (cycles,) = block_cycles([BasicBlock(0, 1, words)], core)
    assert cycles is not None
    return cycles


def assemble(line: str) -> int:
    printed = run_llvm_tool("llvm-mc", ["-triple=aarch64", "-mattr=+all", "-show-encoding"], line + "\n")
    encoding = re.search(r"encoding: \[([^\]]*)\]", printed)
    assert encoding, printed
    return int.from_bytes(bytes(int(byte, 16) for byte in encoding[1].split(",")), "little")
