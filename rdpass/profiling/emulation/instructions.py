"""AArch64 machine words by class, told from their bits (Arm ARM, C4.1 "A64 instruction set encoding").

Bits 28:25 name the group: x1x0 loads and stores, 101x branches, exceptions and system, x111 floating point and SIMD,
100x and x101 integers. Within loads and stores the bit that tells one from the other depends on the form.
"""

from __future__ import annotations

from typing import Literal

InstructionClass = Literal["fmla", "simd", "load", "store", "branch", "integer"]
CLASSES: tuple[InstructionClass, ...] = ("fmla", "simd", "load", "store", "branch", "integer")


def classify(word: int) -> InstructionClass:
    """``fmla`` is a fused multiply-add (or -subtract) of four float32 lanes; ``simd`` any other SIMD or float one."""
    if word & 0x0A000000 == 0x08000000:
        return "load" if _is_load(word) else "store"
    if word & 0x1C000000 == 0x14000000:
        return "branch" if is_branch(word) else "integer"
    if word & 0x0E000000 == 0x0E000000:
        return "fmla" if is_fmla(word) else "simd"
    return "integer"


def is_fmla(word: int) -> bool:
    """FMLA or FMLS Vd.4S, by vector or by element. (Both in one: bit 23 or bit 14 tells them apart.)"""
    return word & 0xFF60FC00 == 0x4E20CC00 or word & 0xFFC0B400 == 0x4F801000


def is_branch(word: int) -> bool:
    """Tell whether the word ends a basic block: B, BL, B.cond, CBZ, TBZ, BR, BLR, RET, SVC and their like."""
    return (
        word & 0x7C000000 in (0x14000000, 0x34000000)
        or word & 0xFE000000 in (0x54000000, 0xD6000000)
        or word & 0xFF000000 == 0xD4000000
    )


def is_address(word: int) -> bool:
    """ADR or ADRP, whose operand is a place in the program and not a number that an assembler would take back."""
    return word & 0x1F000000 == 0x10000000


def jump_offset(word: int) -> int | None:
    """Bytes from a B or BL to where it always jumps; None for any other word."""
    return 4 * _signed(word & 0x03FFFFFF, 26) if word & 0x7C000000 == 0x14000000 else None


def page_offset(word: int) -> tuple[int, int, bool] | None:
    """Of ADR or ADRP the register, and the bytes from the instruction (ADR) or its page (ADRP, True) to the place that
    the register gets; None for any other word."""
    if not is_address(word):
        return None
    pages = word >> 31 == 1
    offset = _signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)
    return word & 31, offset << 12 if pages else offset, pages


def added_offset(word: int) -> tuple[int, int] | None:
    """Of ADD Xd, Xn, #imm the register read and the number; None for any other word."""
    return (word >> 5 & 31, word >> 10 & 0xFFF) if word & 0xFFC00000 == 0x91000000 else None


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def vectors_moved(word: int) -> int:
    """SIMD registers that a load or store of one or a pair moves; 0 for any other word."""
    if word & 0x0A000000 != 0x08000000 or not word & 0x04000000:
        return 0
    return 2 if word & 0x38000000 == 0x28000000 else 1


def _is_load(word: int) -> bool:
    bit_22 = bool(word & 0x00400000)
    if word & 0x3B000000 == 0x18000000:  # from a literal
        return True
    if word & 0x04000000:  # SIMD registers: one, a pair, a structure
        return bit_22
    if word & 0x38000000 == 0x28000000 or word & 0x3F000000 == 0x08000000:  # a pair; exclusive
        return bit_22
    return word & 0x00C00000 != 0
