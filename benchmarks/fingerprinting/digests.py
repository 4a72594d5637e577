"""SHA-256 of what fingerprints are taken of."""

from __future__ import annotations

import hashlib
from pathlib import Path


def of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
