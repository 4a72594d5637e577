"""Claims: of several processes that share a folder, one does a thing. A claim ends with the process that holds it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(folder: Path, name: str, wait: bool = False) -> Iterator[bool]:
    """Whether the thing called ``name`` is this process's while the block lasts.

    Where another has it: False, or with ``wait`` not before that one is through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
