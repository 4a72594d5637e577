"""Folders of records with something wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .records import record

KEPT = [record(number) for number in range(5)]


Fault = Callable[[Path], None]


def between(text: bytes) -> Fault:
    """``text`` between the second and the third record."""

    def spoil(path: Path) -> None:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:2], text, *lines[2:]]))

    return spoil


def after(text: bytes) -> Fault:
    return lambda path: path.write_bytes(path.read_bytes() + text)
