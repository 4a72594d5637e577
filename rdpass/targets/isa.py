"""What a kernel has to know of an instruction set: how wide a vector is, how many there are, how a lane is spread."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.targets.target import Target


@dataclass(frozen=True)
class Isa:
    """A vector unit for float32.

    ``lanes``: floats of one vector, which is also the channel block of every activation. ``registers``: architectural
    vectors. ``by_element``: a multiply-accumulate can take one lane of a register as its scalar (ARM's FMLA by
    element); where it can't, the scalar is broadcast as it is loaded.
    """

    name: str
    lanes: int
    registers: int
    by_element: bool


ASIMD = Isa("asimd", 4, 32, by_element=True)
AVX512 = Isa("avx512", 16, 32, by_element=False)
AVX2 = Isa("avx2", 8, 16, by_element=False)
SSE = Isa("sse", 4, 16, by_element=False)

_X86_LEVELS = {"x86-64-v4": AVX512, "x86-64-v3": AVX2}


def isa_of(target: Target) -> Isa:
    """The instruction set that kernels for ``target`` are written in.

    SVE cores run asimd: their 128-bit pipes are as many as their wide ones are wide.
    """
    return ASIMD if target.architecture == "aarch64" else _X86_LEVELS.get(target.cpu, SSE)
