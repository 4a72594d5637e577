"""The counting plugin: compiled once for each version of its source, and kept in the cache folder."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from rdpass.core.cache import cache_root
from rdpass.core.errors import TargetError

_SOURCE = Path(__file__).with_name("counting.c")
_COMPILERS = ("cc", "gcc", "clang")


def cache_folder() -> Path:
    """The cache of what takes long to make: ``$RDPASS_CACHE/emulation``, by default under ``~/.cache/rdpass``."""
    return cache_root() / "emulation"


def counting_plugin() -> Path:
    """The compiled plugin for this machine's emulator.

    Raises:
        TargetError: no C compiler, or it failed.
    """
    source = _SOURCE.read_bytes()
    digest = hashlib.sha256(source).hexdigest()[:16]
    place = cache_folder() / f"counting-{platform.machine()}-{digest}.so"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        _compile(place)
    return place


def _compile(place: Path) -> None:
    command = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if command is None:
        raise TargetError("no C compiler for the counting plugin: cc is not on the PATH; apt install gcc")
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        built = Path(folder, place.name)
        arguments = ["-shared", "-fPIC", "-O2", "-o", str(built), str(_SOURCE)]
        done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise TargetError(f"the counting plugin could not be compiled: {done.stderr.strip()}")
        built.rename(place)
