"""Which images a protocol's ``data`` means."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.research.images.batches import ImageSet
from benchmarks.research.images.cifar import VERSIONS, cifar_images
from benchmarks.research.images.emoji import emoji_images
from benchmarks.research.images.fashion import fashion_images
from benchmarks.research.protocols import Protocol

FASHION, EMOJI = "fashion-mnist", "emoji"
READERS = {FASHION: fashion_images, EMOJI: emoji_images, **dict.fromkeys(VERSIONS, cifar_images)}
DATA = tuple(READERS)


@lru_cache(maxsize=2)  # runs that follow each other often differ in the seed alone
def images_for(protocol: Protocol, seed: int, device: str, root: Path | None) -> ImageSet:
    """On ``device``, the training part drawn by ``seed``; ``root`` holds the files where no package does.

    Raises:
        ConfigError: they are not on this machine; the message says how to get them.
    """
    return READERS[protocol.data](protocol, seed, root).on(device)
