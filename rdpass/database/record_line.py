"""A record as a line of JSON with a checksum.

    {"code": "…", "default_seconds": 1.5e-4, "failure": null, "format": 1, "method": "host", "repeats": 9,
     "seconds": 1.2e-4, "sha256": "…", "spread": 0.1, "target": "…", "target_name": "rpi4",
     "tile": {"kind": "DirectTile", …}, "workload": {"kind": "Convolution", …}}

One of a whole network has, in place of the last two, ``"network": "…"`` and ``"tiles"``, pairs of workload and tile.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rdpass.database.checksum import read_line, write_line
from rdpass.database.encoding import decode_tile, decode_tiles, decode_workload, encode
from rdpass.database.keys import code_key
from rdpass.database.record import NetworkRecord, Record, Stale, Timed, check_timed

LONGEST_KEY = 200

Content = Record | NetworkRecord | Stale
"""What an intact line holds."""


def line_of(content: Content) -> bytes:
    """Its line, newline included."""
    return content.line if isinstance(content, Stale) else write_record(content)


def write_record(record: Record | NetworkRecord) -> bytes:
    """``record`` as a line, newline included."""
    return write_line({field.name: encode(getattr(record, field.name)) for field in fields(record)})


def read_record(line: bytes) -> Content:
    """The record that ``line`` holds, as ``Stale`` if it is not of today's kernels.

    Raises:
        ValueError: it holds none; the message says what is wrong with it.
    """
    body = read_line(line)
    try:
        keys = body["target"], body["target_name"], body["code"]
        if not all(isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isprintable() for key in keys):
            raise ValueError("a key is no text, too long, or has letters that can't be printed")
        if body["code"] != code_key():
            return Stale(*keys, line.strip() + b"\n")
        record = _network_record(body) if "network" in body else _record(body)
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from error
    check_timed(record)
    return record


def _record(body: dict[str, Any]) -> Record:
    return Record(**_timed(body), workload=decode_workload(body["workload"]), tile=decode_tile(body["tile"]))


def _network_record(body: dict[str, Any]) -> NetworkRecord:
    if not isinstance(body["network"], str) or not 0 < len(body["network"]) <= LONGEST_KEY:
        raise ValueError("a key is no text, or too long")
    return NetworkRecord(**_timed(body), network=body["network"], tiles=decode_tiles(body["tiles"]))


def _timed(body: dict[str, Any]) -> dict[str, Any]:
    return {field.name: body[field.name] for field in fields(Timed)}
