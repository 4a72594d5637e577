"""TVM 0.27 writes warnings that a user can do nothing about, whatever the log level: a line ``Warning: Scope Loaded:``
(or ``Saving``) for every constant, and what its importer, its schedules and its code generator remark.

They come from C++, so only the file descriptor can be held. Everything else that is written meanwhile is passed on when
the block ends.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(rb"Warning: Scope (Loaded|Saving):|^\[\d\d:\d\d:\d\d\] \S+\.(cc|h):\d+: Warning: ")


@contextmanager
def without_tvm_lines() -> Iterator[None]:
    """Hold stderr while the block runs, then write what it got without TVM's warnings."""
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
            os.write(2, b"".join(line for line in held if not _NOISE.search(line)))
