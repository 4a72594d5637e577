"""Which images a protocol's ``data`` means."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.research.images.batches import ImageSet
from benchmarks.research.images.cifar import VERSIONS, cifar_images
from benchmarks.research.images.fashion import fashion_images
from benchmarks.research.protocols import Protocol

FASHION = "fashion-mnist"
DATA = (FASHION, *VERSIONS)


@lru_cache(maxsize=2)  # runs that follow each other often differ in the seed alone
def images_for(protocol: Protocol, seed: int, device: str, root: Path | None) -> ImageSet:
    """On ``device``, the training part drawn by ``seed``; ``root`` holds the files where no package does.

    Raises:
        ConfigError: they are not on this machine; the message says how to get them.
    """
    read = cifar_images if protocol.data in VERSIONS else fashion_images
    return read(protocol, seed, root).on(device)
