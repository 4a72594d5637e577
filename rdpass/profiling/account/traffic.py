"""Bytes that come from memory: the parts of what a network's calls touch that the last cache no longer holds.

The cache keeps whole parts of 4 KB and drops the one unused for longest. A call goes through its operands side by side,
each once and from its beginning: a kernel's input, weights and output advance together. What a kernel has to read again
is the cost model's to say. The figure is of an inference that follows another, as in a run of many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence

from rdpass.passes.lowering.read.operands import Span

_PART = 4096


def missed_bytes(calls: Sequence[Sequence[Span]], cache: int) -> int:
    """Bytes that miss in a cache of ``cache`` bytes during the second run of ``calls``, each the spans it touches."""
    held: OrderedDict[tuple[Hashable, int], int] = OrderedDict()
    _run(calls, cache, held)
    return _run(calls, cache, held)


def _run(calls: Sequence[Sequence[Span]], cache: int, held: OrderedDict[tuple[Hashable, int], int]) -> int:
    missed, filled = 0, sum(held.values())
    for call in calls:
        for key, size in _in_step(call):
            if key in held:
                held.move_to_end(key)
                more = max(0, size - held[key])
            else:
                held[key], more = 0, size
            held[key] += more
            filled += more
            missed += more
            while filled > cache:
                filled -= held.popitem(last=False)[1]
    return missed


def _in_step(spans: Sequence[Span]) -> Iterator[tuple[tuple[Hashable, int], int]]:
    """The parts of all spans, in the order in which they are met when all are gone through at once."""
    met = []
    for index, span in enumerate(spans):
        first, end = span.offset // _PART, -(-(span.offset + span.bytes) // _PART)
        for part in range(first, end):
            size = min((part + 1) * _PART, span.offset + span.bytes) - max(part * _PART, span.offset)
            met.append(((part - first) / (end - first), index, (span.place, part), size))
    met.sort(key=lambda each: each[:2])
    return ((key, size) for _, _, key, size in met)
