"""A board over ssh: one script at a time, and an end to every wait."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rdpass.core.errors import ConfigError, DeviceError
from rdpass.deploy.device import remote
from rdpass.deploy.device.remote import Answer, run_on
from tests.deploy.device.loopback import fake_ssh


def test_a_board_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(remote._OPTIONS, "ConnectTimeout", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setitem(remote._OPTIONS, "Port", str(silent.getsockname()[1]))
        with pytest.raises(DeviceError, match=r"127\.0\.0\.1 can't be reached: .*timed out.*; is it on"):
            run_on("someone@127.0.0.1", "true", 20)


def test_a_connection_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(tmp_path, monkeypatch, "exec sleep 60")
    with pytest.raises(DeviceError, match=r"board was not done after 0\.5 s, and was given up"):
        run_on("board", "true", 0.5)


def test_without_ssh_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="apt install openssh-client"):
        run_on("board", "true", 1)


def test_an_answer_is_what_the_script_printed_and_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(tmp_path, monkeypatch, 'for word; do :; done; eval "$word"')
    assert run_on("me@board", "echo 'it is'; echo ' no ' >&2; exit 5", 10) == Answer(5, "it is\n", "no")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "me@board: Permission denied (publickey).",
            r"Permission denied \(publickey\); give it your key",
        ),
        ("a warning\nHost key verification failed.", "Host key verification failed; connect once by hand"),
        ("Could not resolve hostname board", "no such name in the network"),
        ("Connection refused", r"is it on, and does sshd run there\?"),
        ("something else.", "can't be reached: something else$"),
        ("", "ssh gave no reason"),
    ],
)
def test_a_board_that_can_not_be_reached_is_told_with_a_remedy(
    said: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ssh(tmp_path, monkeypatch, f"printf '%s' '{said}' >&2; exit 255")
    with pytest.raises(DeviceError, match=told):
        run_on("me@board", "true", 10)


@pytest.mark.parametrize("address", ["-oProxyCommand=reboot", "a b", "me@", "", "me@-x", "me@host;reboot", "a\nb"])
def test_what_is_no_address_is_refused_before_anything_is_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.subprocess, "run", lambda *arguments, **options: pytest.fail("ssh was called"))
    with pytest.raises(ConfigError, match="is no address of a board"):
        run_on(address, "true", 1)


def test_words_of_the_script_stay_whole_and_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_ssh(tmp_path, monkeypatch, 'for word; do echo "$word"; done')
    words = run_on("board", 'echo "it\'s"', 10).out.splitlines()
    assert "BatchMode=yes" in words
    assert words[-3:-1] == ["--", "board"]
    assert words[-1] == "exec sh -c 'echo \"it'\"'\"'s\"'"
