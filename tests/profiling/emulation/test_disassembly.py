"""Machine words back to text."""

from __future__ import annotations

from rdpass.profiling.emulation.disassembly import disassemble

from .words import assemble


def test_disassembling_gives_the_text_back_and_leaves_out_what_is_no_instruction(llvm: None) -> None:
    word, nonsense = assemble("fmla v0.4s, v1.4s, v2.s[1]"), 0x00000000
    assert disassemble([word, word])[word].split() == ["fmla", "v0.4s,", "v1.4s,", "v2.s[1]"]
    mixed = disassemble([word, 0xFFFFFFFF])
    assert word in mixed
    assert 0xFFFFFFFF not in mixed
    assert disassemble([]) == {}
    assert nonsense not in disassemble([word])


def test_one_word_that_is_no_instruction_costs_no_other_its_text(llvm: None) -> None:
    lines = ["add x0, x1, x2", "ret", "fmla v0.4s, v1.4s, v2.4s", "ldr q0, [x1]"]
    words = [assemble(line) for line in lines]
    found = disassemble([*words, 0xFFFFFFFF, *words])
    assert [" ".join(found[word].split()) for word in words] == lines
    assert set(found) == set(words)
