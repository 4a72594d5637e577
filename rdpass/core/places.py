"""Places for output: where may be written, and what may be replaced there.

1. Nothing is replaced that is not told to (``--force``).
2. Then a file replaces a file, and a folder a folder in which everything was written by rdpass (``Written``).
3. ``-`` is the name of no output: it stands for stdout.
4. Never replaced are links, devices and pipes, an input of the same command, a folder that one lies in, and the current
   folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from rdpass.core.errors import ConfigError

Written = Callable[[Path], Collection[str] | None]
"""Names of the files that rdpass wrote into a folder, with slashes; one that ends with a slash stands for all below it.
None for a folder that is no output of the kind."""

STDOUT = "-"
"""What stands for stdout where a command can write one of its outputs there."""

_ANOTHER = "remove it yourself, or give another place"


def check_free(path: Path, force: bool, written: Written | None = None, inputs: Iterable[Path] = ()) -> None:
    """Refuse a place that can't be written, or that holds what may not be replaced.

    Args:
        path: where a file, or with ``written`` a folder, is to be.
        force: whether an older output there may be replaced.
        written: tells what in a folder is such an output.
        inputs: what the same command reads: never replaced.

    Raises:
        ConfigError: the message says what is in the way.
    """
    if path == Path(STDOUT):
        raise ConfigError(f"{STDOUT} stands for stdout, where this can't be written; give a place for it")
    taken = _is_taken(path)
    check_kept(path, inputs)
    if taken:
        _check_kind(path, is_folder=written is not None)
        if not force:
            raise ConfigError(f"{path} exists already; give another place, or --force (force=True) to replace it")
        if written is not None:
            _check_written(path, written)
    parent = _existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} can't be written: {parent} is not a folder you may write to")


def check_kept(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over an input, whatever name or link leads there, or over a folder that it lies in.

    Raises:
        ConfigError: the message names both.
    """
    place = path.resolve()
    for given in inputs:
        if place == given.resolve() or _is_same_file(path, given):
            raise ConfigError(f"{path} is an input of this command, and would be written over; {_ANOTHER}")
        if place in given.resolve().parents and given.exists():
            raise ConfigError(f"{path} holds {given}, an input of this command; give another place")


def file_names(folder: Path) -> list[str]:
    """Everything below a folder but folders, links among them: names with slashes, sorted. No link is followed."""
    found = []
    for below, folders, files in os.walk(folder):
        links = [name for name in folders if Path(below, name).is_symlink()]
        found += [Path(below, name).relative_to(folder).as_posix() for name in (*files, *links)]
    return sorted(found)


def _is_taken(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # the latter for a name with a zero byte
        raise ConfigError(f"{path} can't be written: {getattr(error, 'strerror', error)}") from error
    return True


def _check_kind(path: Path, is_folder: bool) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise ConfigError(f"{path} is a link, and links are not replaced; {_ANOTHER}")
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is a device, a pipe or a socket, and these are not replaced; give another place")
    if stat.S_ISDIR(mode) != is_folder:
        here, wanted = ("folder", "file") if stat.S_ISDIR(mode) else ("file", "folder")
        raise ConfigError(f"{path} is a {here}, and a {wanted} was to be written there; {_ANOTHER}")


def _check_written(path: Path, written: Written) -> None:
    if path.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ConfigError(f"{path} is the current folder or holds it; give another place")
    present = file_names(path)
    if not present:
        return
    names = written(path)
    if names is None:
        raise ConfigError(f"{path} is no output of this command, so --force does not replace it; {_ANOTHER}")
    foreign = next((name for name in present if not _covers(names, name)), None)
    if foreign is not None:
        raise ConfigError(f"{path} holds {foreign}, which rdpass did not write; move it away, or give another place")


def _covers(names: Collection[str], name: str) -> bool:
    return name in names or any(each.endswith("/") and name.startswith(each) for each in names)


def _is_same_file(path: Path, given: Path) -> bool:
    try:
        return path.samefile(given)
    except OSError:
        return False


def _existing_parent(path: Path) -> Path:
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    return parent
