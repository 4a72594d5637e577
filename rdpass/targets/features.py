"""Features of CPUs that decide which numeric types a kernel may compute in, each by Linux's word for it.

``Target.has`` answers for a target.
"""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """A feature of a CPU; its value is the word in ``/proc/cpuinfo``, and in ``Target.features``."""

    # aarch64; LLVM's name behind it where that is another
    ASIMD = "asimd"  # float32, and integers of 8 to 32 bits, in vectors of 128 bits; neon
    FP16 = "asimdhp"  # float16 in the same vectors, at twice the rate; fullfp16
    DOTPROD = "asimddp"  # sums of four int8 products in each int32 lane: SDOT, UDOT
    I8MM = "i8mm"  # products of int8 matrices, 2 x 8 by 8 x 2: SMMLA; u8 by s8: USDOT
    BF16 = "bf16"  # sums of bfloat16 products in float32 lanes: BFDOT, BFMMLA
    SVE = "sve"  # vectors of the core's own width
    # x86-64
    AVX2 = "avx2"  # integers in vectors of 256 bits
    AVX_VNNI = "avx_vnni"  # VPDPBUSD (see below) in vectors of 256 bits
    AVX512F = "avx512f"  # float32 in vectors of 512 bits
    AVX512_VNNI = "avx512_vnni"  # sums of four u8 x s8 products in each int32 lane: VPDPBUSD
