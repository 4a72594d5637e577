"""Records as tuning would write them."""

from __future__ import annotations

from typing import Any

from rdpass.database.keys import code_key, target_key
from rdpass.database.record import Record
from rdpass.kernels.pointwise import PointwiseTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.lookup import find_target

RPI4 = find_target("rpi4")
WORK = Convolution(1, 16, 24, 6, 6, (1, 1), epilogue=Epilogue("relu"))


def record(number: int = 0, **changes: Any) -> Record:
    """The ``number``th of many that differ."""
    default = None if changes.get("failure") else 1.0
    given = {
        "target": target_key(RPI4), "target_name": "rpi4", "code": code_key(), "workload": WORK,
        "tile": PointwiseTile(1 + number % 8, 1 + number // 8 % 3, 36, 1), "method": "rpc",
        "seconds": 1e-4 * (1 + number), "default_seconds": default, "repeats": 10,
    }  # fmt: skip
    return Record(**{**given, **changes})
