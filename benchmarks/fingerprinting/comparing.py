"""Every difference between two sets of fingerprints, and which of them a kernel's name may explain.

Kernels are compared in the order in which a network calls them, so that one by another name is still itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ASKED_FOR = {"libraries": 2, "inspections": 1, "student": 1}
"""How many levels of keys of a part can be asked for one by one; what was not asked for is no difference."""

_DESCRIPTIONS = ("name", "workload", "tile")
_LIBRARIES = ("model.so", "librdpass_model.a")
_ABSENT = "absent"


@dataclass(frozen=True)
class Difference:
    """A fact that has changed: the path to it, what it was, what it is."""

    path: tuple[str, ...]
    before: Any
    after: Any

    @property
    def in_names(self) -> bool:
        """Whether names get there: descriptions of kernels, and the bytes of libraries, and of a program with one
        inside. That nothing else has changed there is what the nameless library says.
        """
        *_, holder, last = self.path
        linked = last == "run" and self.path[2].endswith("-none")
        return (
            (holder.isdigit() and last in _DESCRIPTIONS)
            or (holder == "library" and last in ("sha256", "bytes"))
            or (holder == "files" and (last in _LIBRARIES or linked))
        )

    def __str__(self) -> str:
        return f"{' / '.join(self.path)}: {self.before} -> {self.after}"


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """All of them; parts that ``after`` does not hold are left out."""
    found = list(_compared(("conditions",), before.get("conditions"), after.get("conditions")))
    for part, levels in _ASKED_FOR.items():
        if part in after:
            found += _compared((part,), _restricted(before.get(part, {}), after[part], levels), after[part])
    return found


def _restricted(before: Any, after: Any, levels: int) -> Any:
    if not levels or not isinstance(before, dict) or not isinstance(after, dict):
        return before
    return {key: _restricted(value, after[key], levels - 1) for key, value in before.items() if key in after}


def _compared(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        if path[-1] == "kernels":
            before, after = _in_order(before), _in_order(after)
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _compared((*path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif before != after:
        yield Difference(path, before, after)


def _in_order(kernels: dict[str, Any]) -> dict[str, Any]:
    return {str(index): {"name": name, **facts} for index, (name, facts) in enumerate(kernels.items())}
