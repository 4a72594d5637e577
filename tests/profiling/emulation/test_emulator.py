"""The plugin counts what is known to happen: turns of a loop, lines of memory."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from rdpass.core.errors import DeviceError, TargetError
from rdpass.profiling.emulation import emulator
from rdpass.profiling.emulation.blocks import basic_blocks
from rdpass.profiling.emulation.emulator import Caches, profile
from rdpass.profiling.emulation.instructions import classify
from rdpass.targets.lookup import Target, host_target

from .conftest import CodeProfile

LOOP = 'asm volatile("mov x9, #{0}\\n1: fmla v0.4s, v1.4s, v2.4s\\n subs x9, x9, #1\\n b.ne 1b" ::: "x9", "v0", "cc");'
READ = "for (long i = 0; i < {0}; i += 64) (void)m[i];"
CACHES = Caches(l1=4096, l1_ways=4, l2=65536, l2_ways=16)


def _words(seen: emulator.Profile) -> Counter[str]:
    counts: Counter[str] = Counter()
    for block in basic_blocks(seen.blocks):
        for word in block.words:
            counts[classify(word)] += block.runs
    return counts


def test_a_loop_of_a_thousand_turns_has_a_thousand_of_each_instruction(profile_of: CodeProfile) -> None:
    nothing, seen = _words(profile_of("")), _words(profile_of(LOOP.format(1000)))
    assert seen["fmla"] == 1000
    assert seen - nothing == {"fmla": 1000, "integer": 1001, "branch": 1000}


def test_what_runs_before_the_first_mark_does_not_count(profile_of: CodeProfile) -> None:
    assert _words(profile_of(LOOP.format(10), before=LOOP.format(5000)))["fmla"] == 10


def test_every_line_misses_once_when_it_is_first_read(profile_of: CodeProfile) -> None:
    without = profile_of("", CACHES)
    seen = profile_of(READ.format(32768), CACHES)
    assert seen.l1_misses - without.l1_misses == 512
    assert seen.l2_misses - without.l2_misses == 512


def test_what_fits_the_l2_alone_misses_the_l1_again_and_the_l2_not(profile_of: CodeProfile) -> None:
    seen = profile_of(READ.format(32768), CACHES, before=READ.format(32768))
    assert 512 <= seen.l1_misses <= 520
    assert seen.l2_misses <= 4


def test_what_is_larger_than_the_l2_misses_it_each_time_though_it_was_read_before(profile_of: CodeProfile) -> None:
    seen = profile_of(READ.format(131072), CACHES, before=READ.format(131072))
    assert 2048 <= seen.l2_misses <= 2060


def test_misses_belong_to_the_blocks_that_made_them(profile_of: CodeProfile) -> None:
    seen = profile_of(READ.format(131072), CACHES)
    assert sum(block.l1_misses for block in seen.blocks) == seen.l1_misses
    assert sum(block.l2_misses for block in seen.blocks) == seen.l2_misses
    assert max(block.l2_misses for block in seen.blocks) >= 2040


def test_two_runs_give_the_same_counts_and_the_same_misses(profile_of: CodeProfile) -> None:
    once, again = (profile_of(READ.format(50000) + LOOP.format(77), CACHES) for _ in range(2))
    assert once == again


def test_a_program_that_fails_or_makes_no_marks_is_an_error_that_says_so(profile_of: CodeProfile) -> None:
    with pytest.raises(DeviceError, match=re.escape("failed under the emulator (3)")):
        profile_of("return 3;")
    with pytest.raises(DeviceError, match="both marks"):
        profile_of("return 0;")


def test_a_program_that_does_not_end_is_stopped(rpi4: Target, profile_of: CodeProfile, tmp_path: Path) -> None:
    profile_of("")
    source = (tmp_path / "program.c").read_text().replace("return 0;", "for (;;) {}")
    (tmp_path / "program.c").write_text(source)
    emulator.subprocess.run(
        ["aarch64-linux-gnu-g++", "-x", "c", "-static", "program.c", "-o", "endless"], cwd=tmp_path, check=True
    )
    with pytest.raises(DeviceError, match=re.escape("still running under the emulator after 0.5 s")):
        profile(tmp_path, ["./endless"], rpi4, None, timeout=0.5)


def test_this_machines_own_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="under an emulator"):
        profile(tmp_path, ["./program"], host_target(), None)
