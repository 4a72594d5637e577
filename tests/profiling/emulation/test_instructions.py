"""The classes of instructions, against LLVM's own assembler."""

from __future__ import annotations

import pytest

from rdpass.profiling.emulation.instructions import (
    added_offset,
    classify,
    is_address,
    is_branch,
    jump_offset,
    page_offset,
    vectors_moved,
)

from .words import assemble

EXAMPLES = {
    "fmla": ["fmla v0.4s, v1.4s, v2.4s", "fmla v31.4s, v30.4s, v29.s[3]", "fmls v0.4s, v1.4s, v2.4s",
             "fmls v0.4s, v1.4s, v20.s[1]"],
    "simd": ["fmla v0.2s, v1.2s, v2.2s", "fmla v0.2d, v1.2d, v2.2d", "fmla v0.8h, v1.8h, v2.8h", "fadd s0, s1, s2",
             "fmadd s0, s1, s2, s3", "fmul v0.4s, v1.4s, v2.s[1]", "movi v0.4s, #0", "dup v0.4s, v1.s[0]",
             "fmla v0.2s, v1.2s, v2.s[3]", "fmla v0.2d, v1.2d, v2.d[1]", "fadd v1.4s, v2.4s, v3.4s", "fmov x0, d1"],
    "load": ["ldr q0, [x1]", "ldp q0, q1, [x2, #32]", "ldp x0, x1, [sp], #16", "ldr s0, [x1, x2, lsl #2]",
             "ld1 {v0.4s}, [x0], #16", "ld1r {v0.4s}, [x0]", "ldrb w0, [x1]", "ldrsw x0, [x1]", "ldur q3, [x1, #-16]",
             "ldxr x0, [x1]", "ldr q0, #64", "ldr x0, #64", "ld2 {v0.4s, v1.4s}, [x0]", "ldnp q0, q1, [x0]"],
    "store": ["str q0, [x1]", "stp q0, q1, [x2, #32]", "stp x0, x1, [sp, #-16]!", "st1 {v0.4s}, [x0]", "strb w0, [x1]",
              "stur q3, [x1, #-16]", "stxr w2, x0, [x1]", "str s0, [x1, x2, lsl #2]", "stlr x0, [x1]"],
    "branch": ["b #64", "bl #64", "b.ne #-64", "cbz x0, #8", "cbnz w0, #8", "tbz x0, #3, #8", "tbnz x0, #40, #8",
               "br x1", "blr x1", "ret", "svc #0"],
    "integer": ["add x0, x1, x2", "subs x0, x0, #1", "madd x0, x1, x2, x3", "lsl x0, x1, #3", "nop", "adr x0, #8",
                "adrp x0, #4096", "mrs x0, tpidr_el0", "movk x0, #1, lsl #16", "csel x0, x1, x2, eq"],
}  # fmt: skip


@pytest.mark.parametrize("expected", EXAMPLES)
def test_every_form_falls_into_its_class(llvm: None, expected: str) -> None:
    found = {line: classify(assemble(line)) for line in EXAMPLES[expected]}
    assert found == dict.fromkeys(EXAMPLES[expected], expected)


def test_vectors_that_loads_and_stores_move_are_counted(llvm: None) -> None:
    pairs = ["ldp q0, q1, [x2, #32]", "ldnp q0, q1, [x0]", "ldp q0, q1, [x0], #32", "stp q0, q1, [x2, #32]"]
    single = ["ldr q0, [x1]", "ldr q0, [x1, x2, lsl #4]", "ldur q3, [x1, #-16]", "ldr q0, #64", "str q0, [x1]"]
    none = ["ldp x0, x1, [sp], #16", "ldrsw x0, [x1]", "fmla v0.4s, v1.4s, v2.4s", "add x0, x1, x2", "b.ne #-64"]
    found = {line: vectors_moved(assemble(line)) for line in [*pairs, *single, *none]}
    assert found == {**dict.fromkeys(pairs, 2), **dict.fromkeys(single, 1), **dict.fromkeys(none, 0)}


def test_addresses_and_branches_are_told_from_all_else(llvm: None) -> None:
    words = {line: assemble(line) for lines in EXAMPLES.values() for line in lines}
    assert {line for line, word in words.items() if is_address(word)} == {"adr x0, #8", "adrp x0, #4096"}
    assert {line for line, word in words.items() if is_branch(word)} == set(EXAMPLES["branch"])


def test_places_that_words_jump_to_or_make_are_read(llvm: None) -> None:
    jumps = {"b #64": 64, "b #-4": -4, "bl #-134217728": -134217728, "bl #8": 8, "b.ne #8": None, "ret": None}
    places = {"adr x3, #-8": (3, -8, False), "adr x0, #1048575": (0, 1048575, False), "add x0, x1, #8": None,
              "adrp x30, #4096": (30, 4096, True), "adrp x1, #-8192": (1, -8192, True)}  # fmt: skip
    sums = {"add x2, x1, #4095": (1, 4095), "add x2, x2, #0": (2, 0), "add x2, x1, #1, lsl #12": None,
            "add w2, w1, #8": None, "adds x2, x1, #8": None, "sub x2, x1, #8": None}  # fmt: skip
    assert {line: jump_offset(assemble(line)) for line in jumps} == jumps
    assert {line: page_offset(assemble(line)) for line in places} == places
    assert {line: added_offset(assemble(line)) for line in sums} == sums
