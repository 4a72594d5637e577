"""Random generators as values: read, set, and kept apart for those who draw from them.

A loader draws from a stream of its own, seeded by (seed, epoch) and swapped in while it is asked for a batch. So what
it shuffles does not depend on what the model draws between two batches, and reading an epoch again from its beginning
gives the same batches: that is how a run goes on in the middle of an epoch, unless the loader can say where it stands.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def read_generators(devices: bool = False) -> State:
    """State of torch's, Python's and numpy's global generators, ``devices``' too; containers of numbers only."""
    name, keys, *rest = np.random.get_state()
    state: State = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
    }
    if devices and torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_generators(state: State) -> None:
    """Put the generators where ``read_generators`` found them."""
    torch.set_rng_state(state["torch"])
    random.setstate(_as_tuples(state["python"]))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def seed_generators(*seeds: int) -> None:
    """Seed all of them from several numbers; each combination gives a stream of its own."""
    seed = random.Random("/".join(map(str, seeds))).getrandbits(32)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def kept_generators(devices: bool = True) -> Iterator[None]:
    """Afterwards the generators stand where they stood before the block."""
    before = read_generators(devices)
    try:
        yield
    finally:
        set_generators(before)


class Stream:
    """A random stream beside the global one; ``with stream:`` draws from it. ``state``: where it stands."""

    def __init__(self, *seeds: int) -> None:
        with kept_generators():
            seed_generators(*seeds)
            self.state = read_generators()

    def __enter__(self) -> None:
        self._outside = read_generators()
        set_generators(self.state)

    def __exit__(self, *_: object) -> None:
        self.state = read_generators()
        set_generators(self._outside)


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value
