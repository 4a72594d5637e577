"""Whose code an address is, from the symbols that TVM makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation.symbols import read_symbols, symbols_of

CODE = [
    (0x100, 0x20, "frame_dummy"),
    (0x120, 0x80, "__tvm_ffi_conv"),
    (0x1A0, 0x40, "__tvm_ffi_pool"),
    (0x1E0, 0x10, "__tvm_set_raised_6"),
    (0x1F0, 0x100, "conv_compute_"),
    (0x2F0, 0x40, "__tvm_parallel_lambda"),
    (0x330, 0x30, "pool_compute_"),
]


@pytest.mark.parametrize(("address", "owner"), [
    (0x0, None), (0x110, None), (0x120, "conv"), (0x19F, "conv"), (0x1A0, "pool"), (0x200, "conv"), (0x2F4, "conv"),
    (0x330, "pool"), (0x35F, "pool"), (0x360, None), (0x5500000000, None),
])  # fmt: skip
def test_wrappers_bodies_and_lambdas_belong_to_their_function_and_all_else_to_none(
    address: int, owner: str | None
) -> None:
    assert symbols_of(CODE).owner(address) == owner


def test_entries_are_what_callers_call() -> None:
    assert symbols_of(CODE).entries == {"conv": 0x120, "pool": 0x1A0}


def test_a_library_without_code_has_no_owner() -> None:
    assert symbols_of([]).owner(0) is None


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.so").write_text("not ELF")
    with pytest.raises(TargetError, match="can't read"):
        read_symbols(tmp_path / "model.so", "g++")
