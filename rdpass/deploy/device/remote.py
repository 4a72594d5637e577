"""A board reached over ssh: one script at a time, never asking anything, and always ending.

Keys, ports and jump hosts are what the user's own ``~/.ssh/config`` says.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import IO

from rdpass.core.errors import ConfigError, DeviceError

CONNECT_SECONDS = 10
UNREACHABLE = 255  # ssh's own exit code for its own failures

# A shared connection would keep this process's pipes open after the script has ended.
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",
}
_REMEDIES = (
    ("Permission denied", "give it your key with `ssh-copy-id {0}`; nothing here asks for a password"),
    ("Host key verification failed", "connect once by hand with `ssh {0}` and accept its key"),
    ("Could not resolve hostname", "no such name in the network or in ~/.ssh/config"),
    ("Connection refused", "is it on, and does sshd run there?"),
    ("timed out", "is it on, and in this network?"),
)


@dataclass(frozen=True)
class Answer:
    """Output of a script on a board, and its exit code."""

    code: int
    out: str
    error: str


def run_on(address: str, script: str, timeout: float, stdin: IO[bytes] | None = None) -> Answer:
    """Run ``script`` with ``sh`` on the board at ``address``: ``user@host``, or a name of ``~/.ssh/config``.

    Raises:
        ConfigError: that is no address.
        DeviceError: the board can't be reached, or was not done after ``timeout`` seconds.
    """
    _check_address(address)
    options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    command = ["ssh", *options, "--", address, f"exec sh -c {shlex.quote(script)}"]
    try:
        done = subprocess.run(
            command, stdin=stdin or subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=timeout,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise DeviceError("ssh is not on the PATH; apt install openssh-client") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{address} was not done after {timeout:g} s, and was given up") from error
    if done.returncode == UNREACHABLE:
        raise DeviceError(f"{address} can't be reached: {_reason(address, done.stderr)}")
    return Answer(done.returncode, done.stdout, done.stderr.strip())


def _check_address(address: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(@[A-Za-z0-9_\[][A-Za-z0-9_.:%\]-]*)?", address):
        raise ConfigError(f"{address!r} is no address of a board: give user@host, or a name of ~/.ssh/config")


def _reason(address: str, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].rstrip(".") if lines else "ssh gave no reason"
    remedy = next((text for sign, text in _REMEDIES if sign in said), None)
    return f"{last}; {remedy.format(address)}" if remedy else last
