"""``python -m rdpass``, within this process: sixty commands without sixty times the time that imports take."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from pathlib import Path
from unittest.mock import patch


def rdpass(*words: str | Path) -> str:
    """What the command prints on stdout.

    Raises:
        RuntimeError: it ended with another exit code than 0.
    """
    printed, code = io.StringIO(), 0
    with patch.object(sys, "argv", ["rdpass", *map(str, words)]), contextlib.redirect_stdout(printed):
        try:
            runpy.run_module("rdpass", run_name="__main__")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    if code:
        raise RuntimeError(f"rdpass {' '.join(map(str, words))}: exit code {code}")
    return printed.getvalue()
