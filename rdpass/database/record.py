"""One trial as a line of JSON with a checksum.

    {"code": "…", "default_seconds": 1.5e-4, "failure": null, "format": 1, "method": "host", "repeats": 9,
     "seconds": 1.2e-4, "sha256": "…", "spread": 0.1, "target": "…", "target_name": "rpi4",
     "tile": {"kind": "DirectTile", …}, "workload": {"kind": "Convolution", …}}

``sha256`` is of the line's other fields, written with sorted keys and no blanks.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rdpass.database.encoding import decode_tile, decode_workload, encode
from rdpass.database.keys import code_key
from rdpass.kernels.schedule import Tile
from rdpass.kernels.workload import Workload

Method = Literal["host", "rpc", "mca"]
"""How a time came about: measured on this host, measured on a board, or estimated (``mca``)."""

FORMAT = 1
LONGEST = 1 << 16
"""Bytes of the longest line that is read as a record."""


@dataclass(frozen=True)
class Record:
    """A tile that was tried for a workload, beside the default tile.

    ``target`` and ``code`` are its keys (``keys``). ``seconds`` and ``default_seconds``: of the two tiles, timed in
    turn ``repeats`` times each, the shortest, or estimated; None where the tile can't be used, and ``failure`` says
    why. ``spread``: how far the upper quartile of the tile's times lies above ``seconds``, relative.
    """

    target: str
    target_name: str
    code: str
    workload: Workload
    tile: Tile
    method: Method
    seconds: float | None
    default_seconds: float | None
    repeats: int = 1
    spread: float = 0.0
    failure: str | None = None

    @property
    def is_estimate(self) -> bool:
        return self.method == "mca"

    @property
    def ratio(self) -> float | None:
        """Its time over the default's; None where the tile can't be used."""
        return None if self.seconds is None or self.default_seconds is None else self.seconds / self.default_seconds


@dataclass(frozen=True)
class Stale:
    """An intact record of other kernel sources: what its workload and tile were is not known any more."""

    target: str
    target_name: str
    code: str
    line: bytes


def line_of(content: Record | Stale) -> bytes:
    """The line of either, newline included."""
    return content.line if isinstance(content, Stale) else write_record(content)


def write_record(record: Record) -> bytes:
    """``record`` as a line, newline included."""
    body = {
        **{name: getattr(record, name) for name in _PLAIN},
        "format": FORMAT,
        "workload": encode(record.workload),
        "tile": encode(record.tile),
    }
    return (_canonical({**body, "sha256": _checksum(body)}) + "\n").encode()


def read_record(line: bytes) -> Record | Stale:
    """The record that ``line`` holds, as a ``Record`` if it is of today's kernels.

    Raises:
        ValueError: it holds none; the message says what is wrong with it.
    """
    body = _parse(line)
    given = body.pop("sha256", None)
    if given != _checksum(body):
        raise ValueError("the checksum does not fit")
    if body.get("format") != FORMAT:
        raise ValueError(f"format {body.get('format')!r}, this version reads {FORMAT}")
    try:
        keys = body["target"], body["target_name"], body["code"]
        if not all(isinstance(key, str) for key in keys):
            raise ValueError("a key is no text")
        if body["code"] != code_key():
            return Stale(*keys, line.strip() + b"\n")
        plain = {name: body[name] for name in _PLAIN}
        record = Record(**plain, workload=decode_workload(body["workload"]), tile=decode_tile(body["tile"]))
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error
    _check(record)
    return record


_PLAIN = ("target", "target_name", "code", "method", "seconds", "default_seconds", "repeats", "spread", "failure")


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body).encode()).hexdigest()[:16]


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


def _check(record: Record) -> None:
    if record.method not in get_args(Method):
        raise ValueError("an unknown method")
    if not _is_number(record.repeats) or not _is_number(record.spread) or record.repeats < 1:
        raise ValueError("repeats or spread is out of range")
    times = record.seconds, record.default_seconds
    if record.failure is not None:
        if not isinstance(record.failure, str) or times != (None, None):
            raise ValueError("a failure that is no text, or has a time")
    elif not all(_is_number(time) and time > 0 for time in times):  # type: ignore[operator]
        raise ValueError("a time is not a positive number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
