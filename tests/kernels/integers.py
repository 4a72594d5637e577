"""Ways to multiply bytes: those that this machine runs, and cores to emulate for the others."""

from __future__ import annotations

import pytest

from rdpass.core.errors import TargetError
from rdpass.core.numeric_types import INT8, INT32, NumericTypes
from rdpass.targets.isa import AVX2, AVX512, SSE, Isa, isa_of
from rdpass.targets.lookup import cpu_features, find_target, host_target
from rdpass.targets.target import Target
from rdpass.targets.toolchain import find_compiler, find_launcher
from tests.kernels.tester import WITH_EVERYTHING

HERE = [isa_of(WITH_EVERYTHING)] if "avx512_vnni" in cpu_features() and host_target().cpu == "x86-64-v4" else []
ISAS: list[Isa] = [*HERE, AVX512, AVX2, SSE]
"""Every instruction set whose kernels run on an x86 host; the first with VPDPBUSD, where there is one."""

ARM_TARGETS = ("rpi4", "rpi5", "graviton3")
"""Cores that multiply bytes by SMULL, by SDOT and by SMMLA."""

each_isa = pytest.mark.parametrize("isa", ISAS, ids=lambda isa: f"{isa.name} {isa.multiplies[1].name}")
each_core = pytest.mark.parametrize("name", ARM_TARGETS)


def bytes_of(isa: Isa) -> NumericTypes:
    """From and to the bytes that an instruction set multiplies."""
    return NumericTypes(isa.byte, INT8, INT32, isa.byte)


def emulated(name: str) -> Target:
    """A target whose code can be built and run here; the test is skipped otherwise."""
    target = find_target(name)
    try:
        find_compiler(target), find_launcher(target)
    except TargetError as error:
        pytest.skip(str(error))
    return target
