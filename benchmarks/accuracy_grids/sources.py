"""Which pictures a protocol's ``data`` means."""

from __future__ import annotations

from functools import lru_cache

from benchmarks.accuracy_grids.fashion import fashion_pictures
from benchmarks.accuracy_grids.pictures import Pictures
from benchmarks.accuracy_grids.protocols import Protocol


@lru_cache(maxsize=2)  # runs that follow each other often differ in the seed alone
def pictures_for(protocol: Protocol, seed: int, device: str) -> Pictures:
    """On ``device``, the training part drawn by ``seed``.

    Raises:
        ConfigError: they are not on this machine; the message says how to get them.
    """
    return fashion_pictures(protocol, seed).on(device)
