"""The files of a folder read line by line: intact records, and a finding for everything else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rdpass.core.errors import ConfigError, first_line
from rdpass.database.checksum import LONGEST
from rdpass.database.record_line import Content, read_record

LONGEST_REASON = 200
SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Finding:
    """Something in a folder that is no intact record. ``line`` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Line:
    """A line of a file, newline included, and what it holds. Of one that is too long, ``text`` is the beginning."""

    text: bytes
    content: Content | Finding


def read_folder(folder: Path) -> Iterator[Line]:
    """Every line of every file of the folder, in the order of their names. A folder that is not there has none.

    Raises:
        ConfigError: ``folder`` is something else, or can't be listed.
    """
    for path in record_files(folder):
        yield from read_file(path)


def record_files(folder: Path) -> list[Path]:
    """All entries named as a file of records is, whatever they are.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"the database {folder} can't be read: {error.strerror}") from error


def read_file(path: Path) -> Iterator[Line]:
    """The lines of one file; one finding where it can't be read."""
    try:
        # Opening must not wait for the other end of a pipe that somebody put here.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                yield Line(b"", Finding(path.name, 0, "no file"))
                return
            yield from _lines(path.name, file)
    except OSError as error:
        yield Line(b"", Finding(path.name, 0, f"can't be read: {error.strerror}"))


def _lines(name: str, file: BinaryIO) -> Iterator[Line]:
    number = 0
    while text := file.readline(LONGEST):
        number += 1
        yield Line(text, _content(name, number, text))
        while text and not text.endswith(b"\n") and len(text) == LONGEST:
            text = file.readline(LONGEST)  # the rest of one that is too long


def _content(name: str, number: int, text: bytes) -> Content | Finding:
    if len(text) == LONGEST and not text.endswith(b"\n"):
        return Finding(name, number, f"longer than {LONGEST} bytes")
    try:
        return read_record(text)
    except ValueError as error:
        return Finding(name, number, first_line(error)[:LONGEST_REASON])
    except Exception as error:  # classes of kernels raise what they like at fields that make no sense to them
        return Finding(name, number, f"not understood ({type(error).__name__})")
