"""Estimated cycles: the floor under LLVM's models, blocks a model can't take, and what is not covered."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation import llvm_tools
from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.cycles import measure_blocks
from rdpass.profiling.emulation.throughput import CORES, block_cycles

# fmla v<d>.4s, v30.4s, v31.s[0]: independent of one another
FMLA = [0x4F9F13C0 | register for register in range(16)]
SUBS, BRANCH, ADRP, SVE = 0xF1000529, 0x54FFFFC1, 0x90000000, 0x65A20020


def _cycles(core: str, *words: int) -> float:
    (cycles,) = block_cycles([BasicBlock(0, 1, words)], core)
    assert cycles is not None
    return cycles


@pytest.mark.parametrize(("core", "least", "most"), [
    ("cortex-a53", 16, 17), ("cortex-a55", 16, 17), ("cortex-a72", 16, 17), ("neoverse-n1", 8, 9),
    ("neoverse-v1", 4, 5.5),
])  # fmt: skip
def test_sixteen_independent_fmla_take_what_the_cores_guide_says(
    llvm: None, core: str, least: float, most: float
) -> None:
    assert least <= _cycles(core, *FMLA) <= most


def test_a_chain_of_fmla_takes_longer_than_independent_ones(llvm: None) -> None:
    assert _cycles("neoverse-n1", *[FMLA[0]] * 16) > 2 * _cycles("neoverse-n1", *FMLA)


def test_branches_and_addresses_do_not_disturb(llvm: None) -> None:
    assert _cycles("cortex-a72", *FMLA, ADRP, BRANCH) == _cycles("cortex-a72", *FMLA)
    assert _cycles("cortex-a72", BRANCH) == 1


def test_a_block_that_a_core_can_not_run_spoils_no_other(llvm: None) -> None:
    blocks = [BasicBlock(0, 1, tuple(FMLA)), BasicBlock(64, 1, (SVE,)), BasicBlock(128, 1, (SUBS,))]
    first, sve, last = block_cycles(blocks, "cortex-a72")
    assert (first, last) == (_cycles("cortex-a72", *FMLA), _cycles("cortex-a72", SUBS))
    assert sve is None
    assert None not in block_cycles(blocks, "neoverse-v1")


def test_what_is_not_covered_runs_at_the_covered_blocks_rate(llvm: None) -> None:
    hot, cold = BasicBlock(0, 1000, tuple(FMLA)), BasicBlock(64, 1, (SUBS, BRANCH))
    times = measure_blocks([hot, cold])
    for core in CORES:
        rate = _cycles(core, *FMLA) / len(FMLA)
        assert times.cycles([hot, cold], core) == pytest.approx((1000 * len(FMLA) + 2) * rate)
        assert times.cycles([cold], core) == pytest.approx(2 * rate)


def test_an_old_llvm_and_none_at_all_are_refused_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llvm_tools.Path, "glob", lambda *_: iter(()))
    monkeypatch.setenv("PATH", str(tmp_path))
    llvm_tools.find_llvm_tool.cache_clear()
    with pytest.raises(TargetError, match="apt install llvm-19"):
        llvm_tools.find_llvm_tool("llvm-mca")
    old = tmp_path / "llvm-mca"
    old.write_text("#!/bin/sh\necho 'LLVM version 14.0.6'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(TargetError, match="is too old"):
        llvm_tools.find_llvm_tool("llvm-mca")
    old.write_text("#!/bin/sh\necho 'Debian LLVM version 21.1.0'\n")
    assert llvm_tools.find_llvm_tool("llvm-mca") == str(old)
    llvm_tools.find_llvm_tool.cache_clear()
