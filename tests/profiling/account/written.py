"""Functions written for a test, and the instructions counted in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.function import argument, function
from rdpass.profiling.account.loops import count


def totals(written: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for block, runs in count(written).blocks.items():
        for name in ("multiplies", "products", "floats", "integers", "loads", "stores", "divisions", "calls",
                     "halves", "pairs"):  # fmt: skip
            found[name] += round(runs * getattr(block, name))
    return +found


def written(body: Any) -> Any:
    def whole() -> None:
        body(argument("x", FLOAT32, 64), argument("y", FLOAT32, 64))

    return function("kernel", FLOAT32, whole)
