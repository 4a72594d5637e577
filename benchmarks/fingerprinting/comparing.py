"""Every difference between two sets of fingerprints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_ASKED_FOR = {"libraries": 2, "inspections": 1, "student": 1}
"""How many levels of keys of a part can be asked for one by one; what was not asked for is no difference."""


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line each: the path to a fact, what it was, what it is. Parts that ``after`` does not hold are left out."""
    lines = list(_compared("conditions", before.get("conditions"), after.get("conditions")))
    for part, levels in _ASKED_FOR.items():
        if part in after:
            lines += _compared(part, _restricted(before.get(part, {}), after[part], levels), after[part])
    return lines


def _restricted(before: Any, after: Any, levels: int) -> Any:
    if not levels or not isinstance(before, dict) or not isinstance(after, dict):
        return before
    return {key: _restricted(value, after[key], levels - 1) for key, value in before.items() if key in after}


def _compared(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _compared(f"{path} / {key}", before.get(key, "absent"), after.get(key, "absent"))
    elif before != after:
        yield f"{path}: {before} -> {after}"
