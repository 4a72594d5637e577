"""One sound folder of what there is: damaged lines are put aside, other folders' records taken in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file
from rdpass.database.folder import add_records, locked
from rdpass.database.lines import Finding, Line, read_file, read_folder, record_files
from rdpass.database.record_line import Content, line_of

DAMAGED = ".damaged"


@dataclass(frozen=True)
class Condition:
    """Condition of a folder: intact records, how many of them are there more than once, and what is none."""

    records: int
    duplicates: int
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        return not self.findings


def check(folder: Path) -> Condition:
    """Read everything, and change nothing.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be read.
    """
    _check_is_folder(folder)
    return _condition(list(read_folder(folder)))


def repair(folder: Path) -> Condition:
    """Write each file that is not sound anew with its intact records, each once; what it held else is kept beside it,
    with ``.damaged`` behind its name. Returns what was there before. What is no file at all is left where it is.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be written.
    """
    _check_is_folder(folder)
    seen: list[Line] = []
    with locked(folder):
        for path in record_files(folder):
            lines = list(read_file(path))
            seen += lines
            condition = _condition(lines)
            if any(finding.line for finding in condition.findings) or condition.duplicates:
                try:
                    _rewrite(path, lines)
                except OSError as error:
                    raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    return _condition(seen)


def merge(folder: Path, others: Sequence[Path]) -> int:
    """Take the intact records of other folders into ``folder``, and return how many it had not.

    Raises:
        ConfigError: one of the others is no folder, or ``folder`` can't be written.
    """
    for other in others:
        _check_is_folder(other)
    present = {line_of(record) for record in _intact(read_folder(folder))}
    fresh = {line_of(record): record for other in others for record in _intact(read_folder(other))}
    added = [record for line, record in fresh.items() if line not in present]
    add_records(folder, added)
    return len(added)


def _check_is_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no database: it is not a folder")


def _intact(lines: Iterable[Line]) -> Iterator[Content]:
    return (line.content for line in lines if not isinstance(line.content, Finding))


def _condition(lines: Sequence[Line]) -> Condition:
    records = [line_of(record) for record in _intact(lines)]
    findings = tuple(line.content for line in lines if isinstance(line.content, Finding))
    return Condition(len(records), len(records) - len(set(records)), findings)


def _rewrite(path: Path, lines: Sequence[Line]) -> None:
    damaged = b"".join(_whole(line.text) for line in lines if isinstance(line.content, Finding) and line.text.strip())
    if damaged:
        with contextlib.closing(path.with_name(path.name + DAMAGED).open("ab")) as aside:
            aside.write(damaged)
            os.fsync(aside.fileno())
    intact = dict.fromkeys(line_of(record) for record in _intact(lines))
    with new_file(path, force=True) as temporary, temporary.open("wb") as file:
        file.write(b"".join(intact))
        file.flush()
        os.fsync(file.fileno())


def _whole(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"
