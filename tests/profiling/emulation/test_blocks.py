"""Basic blocks from translation blocks: exact totals whatever way the emulator cut the code."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rdpass.profiling.emulation.blocks import BasicBlock, TranslationBlock, basic_blocks

NOP, BRANCH, RETURN = 0xD503201F, 0x54FFFFC1, 0xD65F03C0
FMLA = 0x4F801020


def _block(address: int, runs: int, *words: int) -> TranslationBlock:
    return TranslationBlock(address, runs, 0, 0, words)


def test_pieces_of_one_long_block_are_joined() -> None:
    pieces = [_block(0x2000, 7, FMLA, BRANCH), _block(0x1FF8, 7, NOP, NOP)]
    assert basic_blocks(pieces) == (BasicBlock(0x1FF8, 7, (NOP, NOP, FMLA, BRANCH)),)


def test_the_first_turn_of_a_loop_counts_for_the_loop() -> None:
    first_turn = _block(0x1000, 1, NOP, FMLA, FMLA, BRANCH)
    other_turns = _block(0x1004, 99, FMLA, FMLA, BRANCH)
    after = _block(0x1010, 1, RETURN)
    entry, loop, rest = basic_blocks([first_turn, other_turns, after])
    assert entry == BasicBlock(0x1000, 1, (NOP,))
    assert loop == BasicBlock(0x1004, 100, (FMLA, FMLA, BRANCH))
    assert rest == BasicBlock(0x1010, 1, (RETURN,))
    assert (loop.instructions, loop.fmla) == (300, 2)


def test_code_translated_twice_counts_once_with_both_runs() -> None:
    assert basic_blocks([_block(0x10, 2, NOP), _block(0x10, 3, NOP)]) == (BasicBlock(0x10, 5, (NOP,)),)


def test_a_branch_ends_a_block_even_where_the_next_one_ran_as_often() -> None:
    assert len(basic_blocks([_block(0x10, 5, NOP, RETURN), _block(0x18, 5, NOP)])) == 2


@given(
    st.lists(
        st.builds(
            lambda slot, runs, length: _block(0x1000 + 4 * slot, runs, *([NOP] * (length - 1)), BRANCH),
            st.integers(0, 40), st.integers(1, 9), st.integers(1, 6),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_instruction_is_lost_or_counted_twice(translated: list[TranslationBlock]) -> None:
    # Overlapping pieces of one program agree on its words.
    words = {b.address + 4 * i: NOP for b in translated for i, _ in enumerate(b.words)}
    consistent = [
        _block(b.address, b.runs, *(words[b.address + 4 * i] for i in range(len(b.words)))) for b in translated
    ]
    found = basic_blocks(consistent)
    assert sum(b.instructions for b in found) == sum(b.runs * len(b.words) for b in consistent)
    ends = [b.address + 4 * len(b.words) for b in found]
    assert all(end <= nxt.address for end, nxt in zip(ends, found[1:], strict=False))
