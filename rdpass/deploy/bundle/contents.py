"""Files of a bundle's folder, read so that nothing else can be: no link is followed, and each is opened once.

A bundle holds regular files alone, in its folder and in the folders of the names that its manifest lists. Whatever else
lies there (a link, a pipe, a device, a folder or file more) makes it none. Where something of a bundle is to be loaded
or run, that is done from a private copy, whose bytes are those that were hashed while they were copied: what anybody
does to the bundle afterwards is not seen.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from rdpass.core.errors import ConfigError, IntegrityError

REMEDY = "build or copy the bundle again"
_PIECE = 1 << 20
_LONGEST_TEXT = 16 << 20
"""Bytes of a manifest. It names a few files and functions; ten thousand of these are 2 MB."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_text(folder: Path, name: str) -> bytes:
    """The bytes of a small regular file that lies in ``folder``.

    Raises:
        IntegrityError: it is not there, or not such a file.
        OSError: it can't be read.
    """
    with _opened(folder, name) as file:
        if os.fstat(file).st_size > _LONGEST_TEXT:
            raise IntegrityError(f"{folder}: {name} is damaged: it is too large; {REMEDY}")
        return b"".join(iter(lambda: os.read(file, _PIECE), b""))


def check_listed(folder: Path, names: Collection[str], allowed: Collection[str]) -> None:
    """Refuse a folder that holds more or less than regular files of ``names``, or ``allowed`` ones.

    Raises:
        IntegrityError: the message names the first file that is missing, or should not be there.
    """
    present = dict(_entries(folder))
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}
    for name in sorted({*names, *present}):
        mode = present.get(name)
        if mode is None:
            raise IntegrityError(f"{folder}: {name} is missing; {REMEDY}")
        if stat.S_ISDIR(mode):
            if name not in folders:
                raise IntegrityError(f"{folder}: the folder {name} is not part of the bundle; {REMEDY}")
        elif name not in names and name not in allowed:
            raise IntegrityError(f"{folder}: {name} is not part of the bundle; {REMEDY}")
        elif not stat.S_ISREG(mode):
            raise IntegrityError(f"{folder}: {name} is {_kind(mode)}, and a bundle holds files alone; {REMEDY}")


def digest(folder: Path, name: str, copy: Path | None = None) -> str:
    """SHA-256 of a file's bytes, which go into a file of the same name and mode in the folder ``copy``, if given.

    Raises:
        IntegrityError: it is no regular file, or can't be read.
    """
    found = hashlib.sha256()
    with ExitStack() as held:
        file = held.enter_context(_opened(folder, name))
        target = None if copy is None else held.enter_context(_created(copy / name, os.fstat(file).st_mode))
        while piece := os.read(file, _PIECE):
            found.update(piece)
            if target is not None:
                target.write(piece)
    return found.hexdigest()


@contextmanager
def _created(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """A new file of the user's own, which may be run if the one with ``mode`` may.

    Raises:
        ConfigError: there is no room for it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if mode & stat.S_IXUSR else 0o600)
        with open(file, "wb") as writing:
            yield writing
    except OSError as error:
        reason = f"{error.strerror}; TMPDIR names another place"
        raise ConfigError(f"the bundle can't be copied to {path}: {reason}") from error


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[int]:
    """A descriptor of the regular file ``name``. No part of the name is followed if it is a link."""
    *folders, last = PurePosixPath(name).parts
    held = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for part in folders:
            held.append(os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=held[-1]))
        held.append(os.open(last, _FLAGS, dir_fd=held[-1]))
        mode = os.fstat(held[-1]).st_mode
        if not stat.S_ISREG(mode):
            raise IntegrityError(f"{folder}: {name} is {_kind(mode)}, and a bundle holds files alone; {REMEDY}")
        yield held[-1]
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            kind = "a link" if error.errno == errno.ELOOP else "a socket"
            raise IntegrityError(f"{folder}: {name} is {kind}, and a bundle holds files alone; {REMEDY}") from error
        raise
    finally:
        for file in held:
            os.close(file)


def _entries(folder: Path, below: str = "") -> Iterator[tuple[str, int]]:
    """Everything in the folder and those in it, by name with slashes, with its mode."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            yield name, entry.stat(follow_symlinks=False).st_mode
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(folder, f"{name}/")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
