"""TVM's own tracker and RPC servers on loopback, as processes that can be stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rdpass.deploy.device.tracker import Tracker, count_servers

LOOPBACK = "127.0.0.1"


class Fleet:
    """A tracker, and the servers that were added to it. What they say goes to files in ``folder``."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._processes = folder, list[subprocess.Popen[bytes]]()
        self.tracker = Tracker(LOOPBACK, _free_port(), key)
        port = str(self.tracker.port)
        arguments = ["--host", LOOPBACK, "--port", port, "--port-end", str(self.tracker.port + 1)]
        self._start([sys.executable, "-m", "tvm.exec.rpc_tracker", *arguments])
        self._wait_for(0)

    def add(self, command: Sequence[str] | None = None) -> int:
        """Start a server, one of this machine's own Python if no command is given, and return its number."""
        here = ["--host", LOOPBACK, "--tracker", str(self.tracker), "--key", self.tracker.key]
        self._start(command or [sys.executable, "-m", "tvm.exec.rpc_server", *here, "--port", "9100"])
        self._wait_for(len(self._processes) - 1)
        return len(self._processes) - 1

    def said(self, number: int) -> str:
        """What a server has printed."""
        return self._log(number).read_text(errors="replace")

    def send(self, number: int, sent: signal.Signals) -> None:
        """A signal for a server and all its processes."""
        os.killpg(self._processes[number].pid, sent)

    def close(self) -> None:
        for number, process in enumerate(self._processes):
            if process.poll() is None:
                self.send(number, signal.SIGKILL)
            process.wait()

    def _start(self, command: Sequence[str]) -> None:
        with self._log(len(self._processes)).open("wb") as log:
            started = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._processes.append(started)

    def _log(self, number: int) -> Path:
        return self._folder / f"{self.tracker.key}_{number}.log"

    def _wait_for(self, count: int) -> None:
        """Until the tracker answers and has so many servers."""
        deadline = time.monotonic() + 180
        while True:
            last = len(self._processes) - 1
            assert self._processes[last].poll() is None, self.said(last)
            try:
                if count_servers(self.tracker) >= count:
                    return
            except Exception:
                assert time.monotonic() < deadline, self.said(last)
            assert time.monotonic() < deadline, self.said(last)
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
