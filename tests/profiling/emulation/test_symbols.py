"""Whose code an address is: from the symbols that TVM makes and, where code has none, from what refers to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.symbols import Symbols, read_symbols, symbols_of, with_nameless

from .words import RET, add, adrp, bl

CODE = [
    (0x100, 0x20, "frame_dummy"),
    (0x120, 0x80, "__tvm_ffi_conv"),
    (0x1A0, 0x40, "__tvm_ffi_pool"),
    (0x1E0, 0x10, "__tvm_set_raised_6"),
    (0x1F0, 0x100, "conv_compute_"),
    (0x2F0, 0x40, "__tvm_parallel_lambda"),
    (0x330, 0x30, "pool_compute_"),
    (0x360, 0x20, "__truncsfhf2"),
]
SECTION = range(0x100, 0x500)
BASE = 0x5500000000


def test_wrappers_and_bodies_belong_to_their_function_and_all_else_to_none() -> None:
    addresses = {
        0x0: None, 0x110: None, 0x120: "conv", 0x19F: "conv", 0x1A0: "pool", 0x1E4: None, 0x200: "conv", 0x2F4: None,
        0x330: "pool", 0x35F: "pool", 0x360: None, 0x4FF: None, 0x500: None, BASE: None,
    }  # fmt: skip
    symbols = symbols_of(CODE, SECTION)
    assert {address: symbols.owner(address) for address in addresses} == addresses


def test_entries_are_what_callers_call() -> None:
    assert symbols_of(CODE, SECTION).entries == {"conv": 0x120, "pool": 0x1A0}


def test_code_without_a_symbol_or_with_one_that_all_share_is_nameless() -> None:
    symbols = symbols_of(CODE, SECTION)
    assert [symbols.is_nameless(at) for at in (0x120, 0x1E0, 0x2F0, 0x360, 0x380, 0x4FF)] == [0, 0, 1, 0, 1, 1]


def test_a_library_without_code_has_no_owner() -> None:
    assert symbols_of([], range(0)).owner(0) is None


def block(at: int, *words: int) -> BasicBlock:
    return BasicBlock(BASE + at, 1, words)


def resolved(*blocks: BasicBlock) -> Symbols:
    return with_nameless(symbols_of(CODE, SECTION), blocks, BASE)


def test_a_parallel_loop_belongs_to_the_function_that_takes_its_address_wherever_it_lies() -> None:
    found = resolved(
        block(0x1A0, adrp(0), add(0, 0, 0x380), RET),  # pool's loop comes first, though conv comes first
        block(0x1F0, adrp(1), add(2, 1, 0x400), RET),
        block(0x340, adrp(1), add(1, 1, 0x2F0), RET),
    )
    assert {at: found.owner(at) for at in (0x2F0, 0x2FC, 0x380, 0x3FC, 0x400, 0x4FC)} == {
        0x2F0: "pool", 0x2FC: "pool", 0x380: "pool", 0x3FC: "pool", 0x400: "conv", 0x4FC: "conv",
    }  # fmt: skip


def test_what_a_nameless_function_calls_is_its_function_s_and_what_several_call_is_no_one_s() -> None:
    found = resolved(
        block(0x120, bl(0x120, 0x380)), block(0x380, bl(0x380, 0x400)), block(0x400, RET),
        block(0x124, bl(0x124, 0x480)), block(0x1A0, bl(0x1A0, 0x480)), block(0x480, RET),
    )  # fmt: skip
    assert [found.owner(at) for at in (0x380, 0x400, 0x480)] == ["conv", "conv", None]


def test_a_register_that_was_written_again_refers_to_nothing() -> None:
    again = 0xD2800000  # mov x0, #0
    assert resolved(block(0x120, adrp(0), again, add(0, 0, 0x380), RET)).owner(0x380) is None
    assert resolved(block(0x120, adrp(0), add(0, 0, 0x380), add(0, 0, 0x80), RET)).owner(0x400) == "conv"
    assert resolved(block(0x120, adrp(0), RET), block(0x130, add(0, 0, 0x380))).owner(0x380) is None


def test_symbols_keep_their_owner_whatever_refers_to_them() -> None:
    found = resolved(block(0x120, bl(0x120, 0x1A0), bl(0x124, 0x360), bl(0x128, 0x1E0)))
    assert [found.owner(at) for at in (0x1A0, 0x360, 0x1E0)] == ["pool", None, None]


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.so").write_text("not ELF")
    with pytest.raises(TargetError, match="can't read"):
        read_symbols(tmp_path / "model.so", "g++")
