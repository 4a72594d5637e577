"""Map addresses to the functions of a compiled network.

1. TVM makes several pieces of one function: ``__tvm_ffi_NAME`` takes the arguments apart, ``NAME_compute_`` does the
   work where it is not inlined into the first. Only the first must have a symbol: it is exported.
2. Parallel loops are functions of their own without a symbol, or with one that all share. LLVM puts them behind all
   others, so where they lie tells nothing: a nameless piece belongs to the function whose code takes its address or
   jumps to it. What several functions call belongs to none of them.
3. All else that has a symbol (errors, the compiler's own functions) belongs to no function of the network.
"""

from __future__ import annotations

import bisect
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rdpass.core.errors import TargetError
from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.instructions import added_offset, jump_offset, page_offset

_ENTRY, _BODY, _LAMBDA = "__tvm_ffi_", "_compute_", "__tvm_parallel_lambda"
_TEXT = ".text"
_PAGE = 4096


@dataclass(frozen=True)
class Symbols:
    """Start addresses of pieces of code in order, with the function of each, None for no one's; the pieces of these
    that are ``nameless``; the end of the last; functions' entries."""

    starts: tuple[int, ...]
    owners: tuple[str | None, ...]
    nameless: frozenset[int]
    end: int
    entries: dict[str, int]

    def owner(self, address: int) -> str | None:
        """The function at ``address`` (relative to where the library is loaded); ``None`` where there is none."""
        index = self._piece(address)
        return None if index is None else self.owners[index]

    def is_nameless(self, address: int) -> bool:
        """Tell whether the code at ``address`` has no symbol of its own."""
        index = self._piece(address)
        return index is not None and self.starts[index] in self.nameless

    def _piece(self, address: int) -> int | None:
        index = bisect.bisect_right(self.starts, address) - 1
        return index if index >= 0 and address < self.end else None


def read_symbols(library: Path, compiler: str) -> Symbols:
    """The symbols of ``library``; where it is stripped, those that it exports.

    Raises:
        TargetError: the compiler has no ``nm`` or ``size``, or they can't read the library.
    """
    options = ["--numeric-sort", "--print-size", "--defined-only"]
    printed = [_printed(compiler, "nm", [*options, *more], library) for more in ([], ["--dynamic"])]
    rows = {tuple(line.split()) for text in printed for line in text.splitlines()}
    code = sorted((int(row[0], 16), int(row[1], 16), row[3]) for row in rows if _is_code(row))
    sections = [line.split() for line in _printed(compiler, "size", ["-A"], library).splitlines()]
    start, size = next(((int(row[2]), int(row[1])) for row in sections if row[:1] == [_TEXT]), (0, 0))
    return symbols_of(code, range(start, start + size))


def _printed(compiler: str, tool: str, options: Sequence[str], library: Path) -> str:
    asked = subprocess.run([compiler, f"-print-prog-name={tool}"], capture_output=True, text=True, check=False)
    command = [asked.stdout.strip() or tool, *options, str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetError(f"{command[0]} can't read {library}: {done.stderr.strip()}")
    return done.stdout


def symbols_of(code: Sequence[tuple[int, int, str]], section: range) -> Symbols:
    """From (address, bytes, name) of every piece of code that has a symbol, by address, and all code's addresses."""
    entries = {name.removeprefix(_ENTRY): start for start, _, name in code if name.startswith(_ENTRY)}
    pieces: dict[int, str | None] = {}
    nameless: set[int] = set()
    last = section.start
    for start, size, name in code:
        if start > last:  # a gap, were it only what aligns the next function
            nameless.add(last)
            pieces.setdefault(last, None)
        plain = name.removeprefix(_ENTRY).removesuffix(_BODY)
        pieces[start] = plain if plain in entries else pieces.get(start)
        if name.startswith(_LAMBDA):
            nameless.add(start)
        last = max(last, start + size)
    if last < section.stop:
        nameless.add(last)
        pieces[last] = None
    starts = tuple(sorted(pieces))
    return Symbols(
        starts, tuple(map(pieces.__getitem__, starts)), frozenset(nameless), max(last, section.stop), entries
    )


def with_nameless(symbols: Symbols, blocks: Iterable[BasicBlock], base: int) -> Symbols:
    """``symbols`` with the functions that nameless pieces belong to, by what the code that ran refers to.

    Args:
        symbols: of a library.
        blocks: of the library's code, all that ran.
        base: where the library was loaded, a multiple of a page.
    """
    links = [(source - base, target - base) for source, target in _references(blocks)]
    links = [(source, target) for source, target in links if symbols.is_nameless(target)]
    found: dict[int, str | None] = {}
    known = symbols
    while True:
        claims: dict[int, set[str]] = {}
        for source, target in links:
            owner = known.owner(source)
            if owner is not None:
                claims.setdefault(target, set()).add(owner)
        more = {t: next(iter(owners)) if len(owners) == 1 else None for t, owners in claims.items() if t not in found}
        if not more:
            return known
        found |= more
        known = _with_pieces(symbols, found)


def _with_pieces(symbols: Symbols, found: dict[int, str | None]) -> Symbols:
    pieces = dict(zip(symbols.starts, symbols.owners, strict=True)) | found
    starts = tuple(sorted(pieces))
    return replace(
        symbols, starts=starts, owners=tuple(map(pieces.__getitem__, starts)), nameless=symbols.nameless | found.keys()
    )


def _references(blocks: Iterable[BasicBlock]) -> Iterator[tuple[int, int]]:
    """Pairs of an instruction's address and one that it jumps to or makes: by B, BL, ADR, or ADRP and ADD."""
    for block in blocks:
        pages: dict[int, int] = {}
        for index, word in enumerate(block.words):
            at = block.address + 4 * index
            if (jump := jump_offset(word)) is not None:
                yield at, at + jump
            elif (place := page_offset(word)) is not None:
                register, offset, is_page = place
                if is_page:
                    pages[register] = at // _PAGE * _PAGE + offset
                    continue
                yield at, at + offset
            elif (added := added_offset(word)) is not None and added[0] in pages:
                yield at, pages[added[0]] + added[1]
            pages.pop(word & 31, None)  # what most instructions write to


def _is_code(row: Sequence[str]) -> bool:
    return len(row) == 4 and row[2] in "tTwW"
