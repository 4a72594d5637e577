"""Adding records to a folder, whoever else writes to it or dies while writing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rdpass.core.errors import ConfigError
from rdpass.database.lines import SUFFIX, read_folder
from rdpass.database.record import Record
from rdpass.database.record_line import Content, line_of

LOCK = ".lock"


def read_records(folder: Path) -> list[Record]:
    """Every intact record of a tile in the folder that is of today's kernels; none where there is no folder.

    Raises:
        ConfigError: ``folder`` is no folder, or can't be read.
    """
    return [line.content for line in read_folder(folder) if isinstance(line.content, Record)]


def file_of(folder: Path, record: Content) -> Path:
    """The file that keeps ``record``: one file for each target, called by its name for people and its key."""
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in record.target_name)
    return folder / f"{name[:40]}-{record.target}{SUFFIX}"


def add_records(folder: Path, records: Iterable[Content]) -> None:
    """Append records; when this returns they are on the disk. The folder is made where there is none.

    Raises:
        ConfigError: the folder can't be written, or the disk is full. What could not be written whole is taken back.
    """
    by_file: dict[Path, bytes] = {}
    for record in records:
        path = file_of(folder, record)
        by_file[path] = by_file.get(path, b"") + line_of(record)
    with locked(folder):
        for path, text in by_file.items():
            try:
                _append(path, text)
            except OSError as error:
                raise ConfigError(f"the database {path} can't be written: {error.strerror}") from error


def check_writable(folder: Path) -> None:
    """Make the folder, and find out whether it takes records, before anything is measured for it.

    Raises:
        ConfigError: it does not.
    """
    with locked(folder):
        pass


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes to the folder while the block runs. The system frees the lock of one who dies.

    Raises:
        ConfigError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ConfigError(f"the database {folder} can't be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _append(path: Path, text: bytes) -> None:
    """After a line that somebody left torn, begin a new one. What does not fit on the disk leaves no trace."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        end = os.fstat(file).st_size
        if end and os.pread(file, 1, end - 1) != b"\n":
            text = b"\n" + text
        try:
            _write_whole(file, text)
            os.fsync(file)
        except BaseException:
            os.ftruncate(file, end)
            raise
    finally:
        os.close(file)


def _write_whole(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]
