"""Output folders and files that appear whole or not at all, and are on the disk before they do.

1. Everything is written into a hidden folder beside its place, which its process holds locked.
2. It is synced, renamed to its place in one step, and the rename is synced.
3. What was there before is removed only then. Where a file system can't exchange two places, there is a moment between
   two renames with neither; who is killed in it leaves the old output in the hidden folder.
4. The next to write there puts that back and removes the hidden folders of processes that are gone.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rdpass.core.errors import ConfigError
from rdpass.core.places import Written, check_free
from rdpass.core.renames import exchange, rename_new

_WORK = ".tmp"
_RANDOM = "[a-z0-9_]" * 8  # what tempfile puts between
_NEW, _OLD = "new", "old"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What a disk says that takes no more."""
_LONGEST_NAME = 200  # of a file system's 255 bytes


@contextmanager
def new_folder(path: Path, force: bool = False, written: Written | None = None) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well, and vanishes when not.

    Args:
        path: the place.
        force: replace what lies there, if everything in it was ``written`` by rdpass.
        written: tells what was (see ``places.Written``).

    Raises:
        ConfigError: the place is taken or can't be written, or the disk is full.
    """
    ours = written or _nothing
    with work_folder(path) as work, _told(path):
        check_free(path, force, ours)
        folder = work / _NEW
        folder.mkdir()
        folder.chmod(0o755)
        yield folder
        sync_tree(folder)
        check_free(path, force, ours)  # once more: it may be long ago
        _put_in_place(folder, path)


@contextmanager
def new_file(path: Path, force: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path``, of the same name, that becomes ``path`` when the block ends well.

    Raises:
        ConfigError: the place is taken or can't be written, or the disk is full.
    """
    with work_folder(path) as work, _told(path):
        check_free(path, force)
        file = work / path.name
        yield file
        sync(file)
        check_free(path, force)
        if force:
            os.replace(file, path)
        else:
            _put_new(file, path)
        sync(path.absolute().parent)


def sync(path: Path) -> None:
    """Bring to the disk what was written to a file, or renamed in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Bring a folder, and all that is in it, to the disk."""
    for below, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync(Path(below, name))
        sync(Path(below))


def tidy_up(path: Path) -> None:
    """Remove what killed processes left beside ``path``, and put back what they had moved away from it."""
    for work in sorted(path.absolute().parent.glob(f"{_glob(_prefix(path))}{_RANDOM}{_WORK}")):
        with _locked(work) as ours:
            if ours:
                if (work / _OLD).exists() and not os.path.lexists(path):
                    os.rename(work / _OLD, path)
                shutil.rmtree(work, ignore_errors=True)


class NotRegular(OSError):
    """What is to be read is no file; said without a number."""

    def __str__(self) -> str:
        return str(self.strerror)


def check_regular(path: Path) -> None:
    """Refuse to read from a pipe or a device, which may never end; of a folder, reading itself tells.

    Raises:
        NotRegular: it is one.
        OSError: there is nothing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise NotRegular(errno.EINVAL, "it is a pipe or a device; write what it gives into a file first")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nothing(folder: Path) -> None:
    return None


def _put_in_place(folder: Path, path: Path) -> None:
    if not os.path.lexists(path):
        _put_new(folder, path)
    elif not exchange(folder, path):
        os.rename(path, folder.with_name(_OLD))
        os.rename(folder, path)
    sync(path.absolute().parent)


def _put_new(source: Path, path: Path) -> None:
    try:
        rename_new(source, path)
    except FileExistsError as error:
        raise ConfigError(f"{path} was written by another process meanwhile; give another place") from error


@contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path``, locked while the block runs, and gone afterwards."""
    with _told(path, every=True):
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        tidy_up(path)
        work, descriptor = _make_locked(path)
    try:
        yield work
    finally:
        if (work / _OLD).exists() and not os.path.lexists(path):
            os.rename(work / _OLD, path)
        shutil.rmtree(work, ignore_errors=True)
        os.close(descriptor)


def _make_locked(path: Path) -> tuple[Path, int]:
    while True:
        work = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=_WORK, dir=path.absolute().parent))
        with suppress(FileNotFoundError):  # another process takes it for a dead one's before it is locked
            descriptor = os.open(work, os.O_RDONLY)
            if _lock(descriptor) and work.exists():
                return work, descriptor
            os.close(descriptor)


@contextmanager
def _locked(work: Path) -> Iterator[bool]:
    """Tell whether nobody holds the folder; while the block runs, we do."""
    try:
        descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _told(path: Path, every: bool = False) -> Iterator[None]:
    """Errors of the disk, or ``every`` one of the system's, as one that names the place."""
    try:
        yield
    except ValueError as error:  # a zero byte in the name
        if not every:
            raise
        raise ConfigError(f"{path} can't be written: {error}") from error
    except OSError as error:
        if not every and error.errno not in FULL:
            raise
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error


def _prefix(path: Path) -> str:
    """Start of the hidden folders' names."""
    name = os.fsencode(path.name)
    return f".{path.name if len(name) <= _LONGEST_NAME else hashlib.sha256(name).hexdigest()}."


def _glob(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
