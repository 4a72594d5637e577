"""Renames in one step, as Linux has them: without replacing, and of two places for each other."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)
"""What a kernel or a file system answers that has no such rename."""


def rename_new(source: Path, target: Path) -> None:
    """Rename a file or folder to a place where nothing lies.

    Raises:
        FileExistsError: something lies there.
        OSError: it can't be renamed.
    """
    if _renamed(source, target, _NOREPLACE):
        return
    if source.is_dir():
        os.rename(source, target)  # a folder replaces no file, and no folder that holds something
    else:
        os.link(source, target)
        source.unlink()


def exchange(one: Path, other: Path) -> bool:
    """Exchange what lies at two places; False, and nothing is done, where the file system has no such rename.

    Raises:
        OSError: they can't be renamed.
    """
    return _renamed(one, other, _EXCHANGE)


def _renamed(source: Path, target: Path, flag: int) -> bool:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(target))
