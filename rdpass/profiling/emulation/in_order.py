"""Cycles of a block on a Cortex-A55, by the rules of Arm's Software Optimization Guide for it (EPM128372, issue 4.0).

LLVM's model of this core contradicts the guide where kernels spend their time: it starts SDOT and MLA alone, takes one
cycle for a load of 128 bits and six for a pair of these, and lets two 128-bit FMLA start at once. The guide's rules:

1. Instructions start in order, two in a cycle at most. The second of a pair must be one that may be so ("dual-issue"
   11), both may, or the first alone (01). A pair has one load and one store at most.
2. Arithmetic on 128 bits starts one a cycle, as the first of a pair. What may start beside it: a load of 64 bits, an
   insert from an integer register, a store, and arithmetic on integers.
3. A load of 128 bits takes two cycles in which nothing else starts, a pair of these four.
4. An operand is waited for; the sum that SDOT, MLA and SMLAL add to is there one cycle after the one before started.
   A store waits for its address, and its data may follow: a vector one cycle, an integer two.
5. Every load hits L1, every address is a multiple of what it loads, and every branch is predicted.

A block is a loop's body in its steady state: it is run until its turns take equally long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_TURNS = 24
"""Turns after which a block that has not settled is averaged."""
_SETTLED = 4
"""Turns in a row of equal length."""


@dataclass(frozen=True)
class Timing:
    """``latency``: cycles until others can read the result. ``starts``: cycles that nothing else starts in.

    ``second``: it may start beside an older one. ``alone``: it may not start with a younger one beside it.
    ``sums``: latency to one of the same kind that adds to the result. ``busy``: cycles of the divider.
    """

    latency: int
    starts: int = 1
    second: bool = False
    alone: bool = False
    sums: int = 0
    busy: int = 0


@dataclass(frozen=True)
class _Instruction:
    """``late``: a store's data. ``added``: the sum that it adds to. ``writes``: registers and their latencies."""

    timing: Timing
    kind: str
    reads: tuple[str, ...]
    late: tuple[str, ...] = ()
    added: str = ""
    writes: tuple[tuple[str, int], ...] = ()


def in_order_cycles(instructions: Sequence[str]) -> float:
    """Cycles of one turn of a loop that consists of ``instructions``, as LLVM prints them.

    Example:
        >>> in_order_cycles(["sdot v0.4s, v8.16b, v9.4b[0]", "ldr d10, [x0]"] * 8)
        8.0
    """
    body = [_instruction(text) for text in instructions]
    core, ends = _Core(), [0]
    while len(ends) <= _TURNS:
        for instruction in body:
            core.start(instruction)
        ends.append(core.now)
        lengths = {later - earlier for earlier, later in zip(ends[-_SETTLED - 1 :], ends[-_SETTLED:], strict=False)}
        if len(ends) > _SETTLED + 1 and len(lengths) == 1:
            return float(lengths.pop())
    half = _TURNS // 2
    return (ends[-1] - ends[half]) / (len(ends) - 1 - half)


class _Core:
    """Which cycle it is, what started in it, and when results can be read."""

    def __init__(self) -> None:
        self.now, self.next, self.divider = 0, 0, 0
        self.first: _Instruction | None = None
        self.ready: dict[str, int] = {}
        self.sums: dict[str, tuple[str, int]] = {}

    def start(self, this: _Instruction) -> None:
        earliest, timing = self._earliest(this), this.timing
        if self.first is not None and earliest <= self.now and _pairs(self.first, this):
            self.first = None
        else:
            self.now = max(earliest, self.next)
            self.next = self.now + timing.starts
            self.first = None if timing.alone or timing.starts > 1 else this
        if timing.busy:
            self.divider = self.now + timing.busy
        for register, latency in this.writes:
            self.ready[register] = self.now + latency
            self.sums[register] = (this.kind, self.now + timing.sums) if timing.sums else ("", 0)

    def _earliest(self, this: _Instruction) -> int:
        """The cycle in which all is there that it waits for."""
        waits = [self.ready.get(register, 0) for register in this.reads]
        waits += [self.ready.get(register, 0) - _DATA_LATER[register[0]] for register in this.late]
        if this.added:
            kind, when = self.sums.get(this.added, ("", 0))
            waits.append(when if kind == this.kind else self.ready.get(this.added, 0))
        return max([*waits, self.divider if this.timing.busy else 0])


def _pairs(first: _Instruction, second: _Instruction) -> bool:
    same = first.kind == second.kind and first.kind in ("load", "store", "branch")
    return second.timing.second and not same


_DATA_LATER = {"v": 1, "x": 2, "s": 2}
"""Cycles that a store may start before its data are there, by their registers."""
_WIDE = re.compile(r"\.(16b|8h|4s|2d)\b")
_REGISTER = re.compile(r"\b([vqdshbxw])(\d+)\b")


def _names(text: str) -> list[str]:
    """The registers of operands: vectors by v and their number, integers by x."""
    return [("x" if kind in "xw" else "v") + number for kind, number in _REGISTER.findall(text)] + (
        ["sp"] if re.search(r"\bsp\b", text) else []
    )


@cache
def _instruction(text: str) -> _Instruction:
    name, _, operands = text.strip().replace("\t", " ").partition(" ")
    if name.startswith(("ld", "st", "prfm")):
        return _memory(name, operands)
    if name.startswith("b.") or name in _BRANCHES:
        reads = (*_names(operands), *(["nzcv"] if name.startswith("b.") else []))
        return _Instruction(Timing(1, second=name not in ("br", "blr", "ret")), "branch", reads)
    timing = _vector(name, operands) if re.search(r"\b[vqdshb]\d+", operands) else _integer(name, operands)
    flags = ["nzcv"] if name in _FLAGGED else []
    if name in _TESTS:
        return _Instruction(timing, name, (*_names(operands), *flags), writes=(("nzcv", 0),))
    first, _, rest = operands.partition(",")
    target = _names(first)[:1]
    added = target[0] if timing.sums else ""
    # What writes a part of a register needs the rest of it.
    kept = target if name in _KEEPS or ("[" in first and not added) else []
    written = [(register, timing.latency) for register in target]
    written += [("nzcv", 0)] if name in _SETS_FLAGS else []
    return _Instruction(timing, name, (*_names(rest), *kept, *flags), added=added, writes=tuple(written))


_BRANCHES = ("b", "br", "bl", "blr", "ret", "cbz", "cbnz", "tbz", "tbnz")
_TESTS = ("cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp", "fcmpe")
_SETS_FLAGS = ("subs", "adds", "ands", "bics", "negs")
_FLAGGED = (
    "ccmp", "ccmn", "csel", "csinc", "csinv", "csneg", "cset", "csetm", "cinc", "cinv", "cneg", "fcsel", "adc", "sbc",
)  # fmt: skip
_KEEPS = (
    "fmla", "fmls", "bsl", "bit", "bif", "tbx", "sli", "sri", "movk", "bfi", "bfxil", "bfm", "xtn2", "sqxtn2",
    "sqxtun2", "uqxtn2", "fcvtn2", "shrn2", "rshrn2", "sqshrn2", "sqrshrn2", "saba", "uaba", "sra", "usra", "srsra",
    "ursra", "sadalp", "uadalp", "sqdmlal", "sqdmlsl", "sqdmlal2", "sqdmlsl2", "sqrdmlah", "sqrdmlsh",
)  # fmt: skip
"""What reads the register that it writes."""


def _memory(name: str, operands: str) -> _Instruction:
    data, _, address = operands.partition("[")
    if "{" in data:
        # A lane's number stands in brackets too: ld1 {v0.d}[1], [x0].
        data, _, address = operands.rpartition("[")
    if name.startswith("prfm"):
        return _Instruction(Timing(1, second=True), "load", tuple(_names(operands)))
    registers, base = _names(data), _names(address)
    written = [(base[0], 1)] if base and ("!" in address or re.search(r"\],", address)) else []
    timing = _access(name, data, len(registers))
    if name.startswith("st"):
        return _Instruction(timing, "store", tuple(base), tuple(registers), writes=tuple(written))
    kept = registers if re.search(r"\}\s*\[", operands) else []
    loaded = [(register, timing.latency) for register in registers]
    return _Instruction(timing, "load", (*base, *kept), writes=(*loaded, *written))


def _access(name: str, data: str, registers: int) -> Timing:
    """Loads read 64 bits a cycle, stores write 128."""
    kind = data.strip(" {")[:1]
    structure = name[-1:].isdigit() or name[-2:-1].isdigit()
    if name.startswith("st"):
        if not structure:
            return Timing(1, starts=2) if registers == 2 and kind == "q" else Timing(1, second=True)
        wide = bool(_WIDE.search(data))
        cycles = registers if wide else -(-registers // 2)
        return Timing(1, starts=cycles, second=registers == 1 and "]" not in data)
    if structure:
        lane = name.endswith("r") or not re.search(r"\.(8b|16b|4h|8h|2s|4s|1d|2d)\b", data)
        words = -(-registers // 2) if lane else registers * (2 if _WIDE.search(data) else 1)
        return Timing(2 + words, starts=words, second=registers == 1 and words == 1 and not lane)
    if registers == 2 and kind == "w":
        return Timing(3, alone=True)
    words = registers * {"q": 2, "d": 1, "x": 1}.get(kind, 1) if kind != "s" else 1
    return Timing(2 + words, starts=words, second=words == 1 and registers == 1 and kind not in "bh")


def _integer(name: str, operands: str) -> Timing:
    wide = operands.startswith("x")
    if name in ("sdiv", "udiv"):
        return Timing(20 if wide else 12, starts=20 if wide else 12)
    if name in ("mul", "madd", "msub", "mneg"):
        return Timing(4, starts=2) if wide else Timing(3, second=True)
    if name in ("smulh", "umulh"):
        return Timing(6, starts=3)
    if name in ("smull", "umull", "smaddl", "umaddl", "smsubl", "umsubl"):
        return Timing(3, second=True)
    shifted = re.search(r"\b(lsl|lsr|asr|ror|[su]xt[bhwx])\b", operands)
    slow = name in ("ubfx", "sbfx", "ubfiz", "sbfiz", "bfi", "bfxil", "lsl", "lsr", "asr", "extr", "rbit")
    return Timing(2 if shifted or slow else 1, second=True)


_FREE_OF_WIDTH = ("xtn", "sqxtn", "sqxtun", "uqxtn", "shl", "shrn", "sshr", "ushr", "sli", "sri", "ins", "umov", "smov")
"""What may be the second of a pair although it is of 128 bits."""
_ALWAYS_FIRST = re.compile(
    r"[su]mlal2?$|[su]mlsl2?$|[su]mull2?$|sqdml[as]l2?$|sqdmull2?$|[su]addl2?$|[su]addw2?$|[su]subl2?$|[su]subw2?$|"
    r"r?(add|sub)hn2?$|[su]?addl?v$|[su](max|min)v$|f(max|min)(nm)?v$|[su]?shll2?$|[su]xtl2?$|fcvtl2?$|fcvtx?n2?$|"
    r"fcsel$|sqrdml[as]h$|pmull2?$"
)
_LATENCIES = (
    (r"(and|bic|eor|mvn|not|orn|orr|movi|mvni)$", 1),
    (r"(add|sub|neg|[su]h(add|sub)|[su]rhadd|cm(eq|ge|gt|hi|hs|le|lt)|fcm..|fac..|[su](max|min)p?)$", 2),
    (r"(mov|dup|ext|x?tn2?|ins|umov|smov|rev\d\d|trn[12]|uzp[12]|zip[12]|bsl|bit|bif|rbit|clz|cnt)$", 2),
    (r"(xtn2?|shl|shrn2?|sshr|ushr|sli|sri|[su]?shll2?|[su]xtl2?|[su]shl|fcsel)$", 2),
    (r"(abs|addp|[su]addlp|[su]q(add|sub)|sqneg|[su]abdl?2?|[su](add|sub)[lw]2?|(add|sub)hn2?|[su]?addl?v|cmtst)$", 3),
    (r"(sra|usra|rshrn2?|[su]rshr|[su]qshrn2?|[su]rshl|cls|pmul)$", 3),
)
"""By what a name matches; all others, the multiplies, floats and what saturates among them, take four cycles."""
_SUMS = re.compile(r"(sdot|udot|usdot|mla|mls|[su]mlal2?|[su]mlsl2?|smmla|ummla|usmmla)$")


def _vector(name: str, operands: str) -> Timing:
    wide, first = bool(_WIDE.search(operands)), operands.partition(",")[0]
    between = bool(re.search(r"\b[wx](\d+|zr)\b", operands))
    if name in ("tbl", "tbx"):
        registers = len(_names(operands.partition("{")[2].partition("}")[0]))
        return Timing(1 + registers + (name == "tbx"), starts=registers + (name == "tbx"))
    if name in ("sadalp", "uadalp", "saba", "uaba", "srsra", "ursra", "raddhn", "rsubhn") or name[1:4] == "aba":
        return Timing(4, starts=2)
    if name in ("fdiv", "fsqrt"):
        return _division(name, operands)
    if between:
        latency = {"dup": 3, "mov": 2, "ins": 2, "umov": 2, "smov": 2, "fmov": 2, "scvtf": 5, "ucvtf": 5}.get(name, 3)
        return Timing(latency, second=not (wide and name == "dup"))
    if name == "fmov":
        return Timing(1, second=True)
    if name.startswith("fcmp"):
        return Timing(1, second=True)
    if name == "mov" and "[" in first:
        return Timing(2, second=True)
    latency = next((cycles for pattern, cycles in _LATENCIES if re.match(pattern, name)), 4)
    by_element = "[" in operands and not name.startswith(("mov", "dup", "ins"))
    second = not (_ALWAYS_FIRST.match(name) or by_element or wide) or name in _FREE_OF_WIDTH
    return Timing(latency, second=second, sums=1 if _SUMS.match(name) else 0)


def _division(name: str, operands: str) -> Timing:
    size = next((size for size in "hsd" if re.search(rf"\.\d{size}\b|\b{size}\d", operands)), "s")
    latency = {"h": 8, "s": 13, "d": 22}[size] - (name == "fsqrt" and size == "s")
    return Timing(latency, busy={"h": 5, "s": 10, "d": 19}[size])
