"""Several processes on one grid, side by side on one device; claims keep them from doing the same thing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = Path(__file__).parent.parent  # a folder that Python runs by its __main__.py


def run_jobs(arguments: Sequence[str], jobs: int) -> int:
    """Run the command ``jobs`` times at once, as single jobs; the first exit code that is not 0, or 0.

    An interrupt reaches all of them; each saves what it is at.
    """
    command = [sys.executable, str(PROGRAM), *arguments, "--jobs", "1"]
    # Sessions of their own: a terminal's Ctrl-C would reach them twice, and a second one does not wait for the state.
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(jobs)]
    try:
        codes = [process.wait() for process in processes]
    except BaseException:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
        raise
    return next((code for code in codes if code), 0)
