"""JSON objects as lines that carry a checksum of themselves.

``sha256`` is of the line's other fields, written with sorted keys and no blanks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

FORMAT = 1
LONGEST = 1 << 18
"""Bytes of the longest line that is read."""
DEEPEST = 12
"""Levels of brackets; a workload within a tile within a network has 7."""


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
    except ValueError as error:  # a number of too many digits
        raise ValueError(f"no JSON that is understood: {str(error)[:80]}") from error
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    if _is_deep(body):
        raise ValueError(f"brackets in more than {DEEPEST} others")
    return body


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [below for item in level for below in _below(item)]
    return bool(level)


def _below(value: Any) -> Iterable[Any]:
    """What is in an object or a list; nothing in anything else."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
