"""JSON objects as lines that carry a checksum of themselves.

``sha256`` is of the line's other fields, written with sorted keys and no blanks.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

FORMAT = 1
LONGEST = 1 << 18
"""Bytes of the longest line that is read."""


def write_line(fields: dict[str, Any]) -> bytes:
    """``fields`` as a line, newline included."""
    body = {**fields, "format": FORMAT}
    return (_canonical({**body, "sha256": checksum(body)}) + "\n").encode()


def read_line(line: bytes) -> dict[str, Any]:
    """The fields that ``write_line`` was given.

    Raises:
        ValueError: it wrote no such line; the message says what is wrong with it.
    """
    body = _parse(line)
    given = body.pop("sha256", None)
    if given != checksum(body):
        raise ValueError("the checksum does not fit")
    if body.get("format") != FORMAT:
        raise ValueError(f"format {body.get('format')!r}, this version reads {FORMAT}")
    return body


def checksum(body: dict[str, Any]) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(_canonical(body).encode()).hexdigest()[:16]


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _parse(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise ValueError("a blank line")
    try:
        body = json.loads(line.decode(), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ValueError("no UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError("no JSON: torn, or something else") from error
    except RecursionError as error:
        raise ValueError("JSON of endless brackets") from error
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    return body


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
