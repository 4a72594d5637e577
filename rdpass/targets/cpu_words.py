"""Features of aarch64 CPUs: Linux's words for them, and LLVM's for those that compiled code may use unasked."""

from __future__ import annotations

from collections.abc import Mapping

from rdpass.targets.features import Feature

WORDS = frozenset({
    "fp", "asimd", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp", "asimdrdm", "jscvt", "fcma",
    "lrcpc", "dcpop", "sha3", "asimddp", "sha512", "sve", "asimdfhm", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca",
    "pacg", "sve2", "svebf16", "svei8mm", "i8mm", "bf16", "frint", "flagm2", "bti", "sme",
})  # fmt: skip
"""Every word that a bundle's runner can check on a board (``runtime/cpu_features.cc``)."""

USED_UNASKED: Mapping[str, tuple[str, ...]] = {
    "neon": (Feature.ASIMD,),
    "fullfp16": (Feature.FP16, "fphp"),
    "dotprod": (Feature.DOTPROD,),
    "rdm": ("asimdrdm",),
    "lse": ("atomics",),
    "rcpc": ("lrcpc",),
    "rcpc-immo": ("ilrcpc",),
    "complxnum": ("fcma",),
    "sha3": ("sha3",),
    "i8mm": (Feature.I8MM,),
    "bf16": (Feature.BF16,),
    "sve": (Feature.SVE,),
    "sve2": ("sve2",),
}
"""LLVM's features whose instructions it chooses by itself, each with Linux's words. Cryptography is not among them:
a Cortex-A72 may come without, as on the Raspberry Pi 4."""
