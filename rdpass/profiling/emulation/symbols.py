"""Map addresses to the functions of a compiled network.

TVM makes several symbols of one function: ``__tvm_ffi_NAME`` takes the arguments apart, ``NAME_compute_`` does the
work, and lambdas and error paths carry no name of it at all. The last belong to the function they follow.
"""

from __future__ import annotations

import bisect
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import TargetError

_ENTRY, _BODY = "__tvm_ffi_", "_compute_"


@dataclass(frozen=True)
class Symbols:
    """Start addresses of code in order with the function of each, the end of the last, and functions' entries."""

    starts: tuple[int, ...]
    owners: tuple[str | None, ...]
    end: int
    entries: dict[str, int]

    def owner(self, address: int) -> str | None:
        """The function at ``address`` (relative to where the library is loaded); ``None`` where there is none."""
        index = bisect.bisect_right(self.starts, address) - 1
        return self.owners[index] if index >= 0 and address < self.end else None


def read_symbols(library: Path, compiler: str) -> Symbols:
    """The symbols of ``library``, which must not be stripped.

    Raises:
        TargetError: the compiler has no ``nm``, or it can't read the library.
    """
    nm = subprocess.run([compiler, "-print-prog-name=nm"], capture_output=True, text=True, check=False).stdout.strip()
    command = [nm or "nm", "--numeric-sort", "--print-size", "--defined-only", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetError(f"{command[0]} can't read {library}: {done.stderr.strip()}")
    rows = [line.split() for line in done.stdout.splitlines()]
    return symbols_of([(int(row[0], 16), int(row[1], 16), row[3]) for row in rows if _is_code(row)])


def symbols_of(code: list[tuple[int, int, str]]) -> Symbols:
    """From (address, bytes, name) of every piece of code, by address."""
    entries = {name.removeprefix(_ENTRY): start for start, _, name in code if name.startswith(_ENTRY)}
    owners: list[str | None] = []
    for _, _, name in code:
        plain = name.removeprefix(_ENTRY).removesuffix(_BODY)
        owners.append(plain if plain in entries else owners[-1] if owners else None)
    end = max((start + size for start, size, _ in code), default=0)
    return Symbols(tuple(start for start, _, _ in code), tuple(owners), end, entries)


def _is_code(row: list[str]) -> bool:
    return len(row) == 4 and row[2] in "tTwW"
