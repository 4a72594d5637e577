"""TVM 0.27 writes a line ``Warning: Scope Loaded:`` (or ``Saving``) for every constant, whatever the log level.

They come from C++, so only the file descriptor can be held. Everything else that is written meanwhile is passed on.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = (b"Warning: Scope Loaded:", b"Warning: Scope Saving:")


@contextmanager
def without_scope_lines() -> Iterator[None]:
    """Hold stderr while the block runs, then write what it got without TVM's scope lines."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not any(noise in line for noise in _NOISE)))
