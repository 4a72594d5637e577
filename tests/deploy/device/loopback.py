"""A board on this machine: an sshd of our own on 127.0.0.1, with its own keys and configuration."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAME = "loopback-board"
REFUSING, UNKNOWN, OFF = "refusing-board", "unknown-board", "board-that-is-off"
"""The same with a key it does not know, with a host key that nobody has seen, and a port where nothing listens."""


class NoSshd(Exception):
    """This machine can't be made a board; the message says why."""


@contextmanager
def sshd(folder: Path) -> Iterator[Path]:
    """A running sshd; yields a folder with an ``ssh`` that knows it as ``NAME``, to be put first on the PATH.

    Raises:
        NoSshd: it is not installed, or does not start.
    """
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    client = shutil.which("ssh")
    if server is None or client is None or shutil.which("ssh-keygen") is None:
        raise NoSshd("sshd and ssh are not installed; apt install openssh-server openssh-client")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = _free_port()
    (folder / "sshd_config").write_text(_server_config(folder, port))
    (folder / "ssh_config").write_text(_client_config(folder, port))
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(f'#!/bin/sh\nexec {client} -F {folder}/ssh_config "$@"\n')
    (folder / "bin/ssh").chmod(0o755)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([server, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        _wait(process, port, folder / "log")
        yield folder / "bin"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _server_config(folder: Path, port: int) -> str:
    return (
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv TMPDIR\n"
    )


def _client_config(folder: Path, port: int) -> str:
    return (
        f"Host {OFF}\nPort {_free_port()}\n"
        f"Host {REFUSING}\nIdentityFile {folder}/stranger\n"
        f"Host * !{REFUSING}\nIdentityFile {folder}/user\n"
        f"Host {UNKNOWN}\nUserKnownHostsFile {folder}/none\nStrictHostKeyChecking yes\n"
        f"Host *\nHostName 127.0.0.1\nPort {port}\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {folder}/known_hosts\nStrictHostKeyChecking accept-new\nSendEnv TMPDIR\nLogLevel ERROR\n"
    )


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise NoSshd(f"sshd did not start: {log.read_text().strip()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise NoSshd("sshd did not answer within 10 s")


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
