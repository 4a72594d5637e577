"""Checksums that a file carries of itself: a line behind its bytes, or a field of a JSON object.

They find damage: a flipped bit, a torn end. Whoever wants to deceive writes a checksum that fits.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rdpass.core.files import check_regular

_START = b"\nsha256 "
_TRAILER = len(_START) + 2 * hashlib.sha256().digest_size + 1
_FIELD = "sha256"


def seal_file(path: Path) -> None:
    """Append the checksum of a file's bytes to it.

    Raises:
        OSError: it can't be written.
    """
    with path.open("r+b") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        file.write(_START + found.encode() + b"\n")


def read_sealed(path: Path) -> bytes:
    """The bytes that were there before the checksum.

    Raises:
        OSError: it can't be read.
        ValueError: it carries no checksum, or one of other bytes.
    """
    check_regular(path)
    content = path.read_bytes()
    payload, trailer = content[:-_TRAILER], content[-_TRAILER:]
    if not trailer.startswith(_START):
        raise ValueError("it ends without a checksum: torn, or of another version")
    if trailer != _START + hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise ValueError("its bytes are not those that were written: the checksum does not fit")
    return payload


def sealed_object(body: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with the checksum of all its other fields."""
    return {**body, _FIELD: _checksum(body)}


def open_object(text: str) -> dict[str, Any]:
    """The object that ``sealed_object`` was given, from its text in whatever layout.

    Raises:
        ValueError: it is no such text.
    """
    try:
        body = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON of endless brackets") from error
    if not isinstance(body, dict) or _FIELD not in body:
        raise ValueError("it carries no checksum: damaged, or of another version")
    if body.pop(_FIELD) != _checksum(body):
        raise ValueError("its fields are not those that were written: the checksum does not fit")
    return body


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
