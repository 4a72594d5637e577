"""Which pictures a protocol's ``data`` means."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.accuracy_grids.cifar import VERSIONS, cifar_pictures
from benchmarks.accuracy_grids.fashion import fashion_pictures
from benchmarks.accuracy_grids.pictures import Pictures
from benchmarks.accuracy_grids.protocols import Protocol

FASHION = "fashion-mnist"
DATA = (FASHION, *VERSIONS)


@lru_cache(maxsize=2)  # runs that follow each other often differ in the seed alone
def pictures_for(protocol: Protocol, seed: int, device: str, root: Path | None) -> Pictures:
    """On ``device``, the training part drawn by ``seed``; ``root`` holds the files where no package does.

    Raises:
        ConfigError: they are not on this machine; the message says how to get them.
    """
    read = cifar_pictures if protocol.data in VERSIONS else fashion_pictures
    return read(protocol, seed, root).on(device)
