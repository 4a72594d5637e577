"""Output folders and files that appear whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdpass.core.errors import ConfigError


def check_free(path: Path, force: bool) -> None:
    """Refuse a place that can't be written or, without ``force``, that holds something already.

    Raises:
        ConfigError: it exists and ``force`` is not given, or its parent can't be written.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; give another place, or --force (force=True) to replace it")
    parent = _existing_parent(path)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} can't be written: {parent} is not a folder you may write to")


@contextmanager
def new_folder(path: Path, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well, and vanishes when not."""
    check_free(path, force)
    temporary = _beside(path)
    try:
        yield temporary
        _replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def new_file(path: Path, force: bool = False) -> Iterator[Path]:
    """A temporary file beside ``path``, of the same suffix, that becomes ``path`` when the block ends well."""
    check_free(path, force)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder, and a file was to be written there")
    temporary = _beside(path)
    try:
        yield temporary / path.name
        os.replace(temporary / path.name, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _existing_parent(path: Path) -> Path:
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    return parent


def _beside(path: Path) -> Path:
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.absolute().parent))
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    folder.chmod(0o755)
    return folder


def _replace(temporary: Path, path: Path) -> None:
    """Move what is there out of the way before moving the new in, so that at no moment the old one is half gone."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.absolute().parent))
        os.replace(path, old / "was")
        os.replace(temporary, path)
        shutil.rmtree(old)
        return
    os.replace(temporary, path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
