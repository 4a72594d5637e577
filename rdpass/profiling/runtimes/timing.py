"""Inferences of several networks timed in turns, so that whatever else this machine does falls on all alike.

A turn of one network is a pause, in which the threads of the runtime before it stop waiting for work, an inference that
is not timed, which brings its weights back into the caches as in repeated use, and a few that are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)
TIMED = 3
"""Timed inferences of one turn."""
PAUSE = 0.3
"""Seconds before a turn. Idle threads of OpenMP spin for up to 0.2: on the cores that the next runtime wants."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of each timed inference: the process's CPU time over all threads, and the time that went by."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]


def interleaved(inferences: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, Times]:
    """``rounds`` turns of every inference, in an order that changes from round to round."""
    keys = list(inferences)
    cpu: dict[Key, list[float]] = {key: [] for key in keys}
    wall: dict[Key, list[float]] = {key: [] for key in keys}
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for index in order.permutation(len(keys)):
            key = keys[index]
            time.sleep(PAUSE)
            inferences[key]()
            for _ in range(TIMED):
                started = time.perf_counter_ns(), time.process_time_ns()
                inferences[key]()
                wall[key].append((time.perf_counter_ns() - started[0]) / 1e6)
                cpu[key].append((time.process_time_ns() - started[1]) / 1e6)
    return {key: Times(tuple(cpu[key]), tuple(wall[key])) for key in keys}


def median(values: tuple[float, ...]) -> float:
    return float(np.median(values))


def spread(values: tuple[float, ...]) -> float:
    """From the first to the ninth decile, relative to the median."""
    low, high = np.quantile(values, [0.1, 0.9])
    return float((high - low) / np.median(values))
