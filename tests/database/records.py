"""Records as tuning would write them."""

from __future__ import annotations

from typing import Any

from rdpass.database.keys import code_key, target_key
from rdpass.database.record import NetworkRecord, Record
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.lookup import find_target

RPI4 = find_target("rpi4")
WORK = Convolution(1, 16, 24, 6, 6, (1, 1), epilogue=Epilogue("relu"))


def record(number: int = 0, **changes: Any) -> Record:
    """The ``number``th of many that differ."""
    given = {**_timed(number, changes), "workload": WORK, "tile": _tile(number)}
    return Record(**{**given, **changes})


def network_record(number: int = 0, **changes: Any) -> NetworkRecord:
    """The ``number``th of many of one network."""
    given = {**_timed(number, changes), "network": "5eed5eed5eed", "tiles": ((WORK, _tile(number)),)}
    return NetworkRecord(**{**given, **changes})


def _tile(number: int) -> PointwiseTile:
    return PointwiseTile(1 + number % 8, 1 + number // 8 % 3, 36, 1)


def _timed(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": target_key(RPI4), "target_name": "rpi4", "code": code_key(), "method": "rpc",
        "seconds": 1e-4 * (1 + number), "default_seconds": None if changes.get("failure") else 1.0, "repeats": 10,
    }  # fmt: skip
