"""The cache folder, and files in it under a hash of all that they are made of.

Nothing depends on it: what is not there whole counts as missing, and what can't be written is not kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

_DIGEST_BYTES = hashlib.sha256().digest_size


def cache_root() -> Path:
    """``$RDPASS_CACHE``, by default ``~/.cache/rdpass``."""
    return Path(os.environ.get("RDPASS_CACHE") or Path.home() / ".cache" / "rdpass")


def read_kept(kind: str, key: str) -> bytes | None:
    """The content kept under ``key``; None where nothing was, or where it is damaged."""
    try:
        entry = (cache_root() / kind / key).read_bytes()
    except (OSError, RuntimeError):  # the latter where the user has no home
        return None
    digest, content = entry[:_DIGEST_BYTES], entry[_DIGEST_BYTES:]
    return content if digest == _digest(key, content) else None


def keep(kind: str, key: str, content: bytes) -> None:
    """Keep ``content``, if that can be done: written beside its place and renamed, so that no process sees half."""
    try:
        place = cache_root() / kind / key
        place.parent.mkdir(parents=True, exist_ok=True)
        _replace(place, _digest(key, content) + content)
    except (OSError, RuntimeError) as error:
        log.debug("%s/%s is not kept: %s", kind, key, error)


def _replace(place: Path, entry: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".tmp", dir=place.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(entry)
        os.replace(temporary, place)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _digest(key: str, content: bytes) -> bytes:
    """Of the name too: an entry under another's name is as wrong as a damaged one."""
    return hashlib.sha256(key.encode() + content).digest()
