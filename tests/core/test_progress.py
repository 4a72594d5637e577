import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from rdpass.core import progress as module
from rdpass.core.progress import fitting, progress


def test_off_a_terminal_lines_tell_how_far_it_is_and_how_long_it_takes(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress("distil", 100) as shown:
        for done in range(1, 31):
            now[0] += 1.0
            shown.step(done, f"loss {done}")
        shown.note("epoch 1/4")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["distil 10/100  loss 10  0:01:30 left", "distil 20/100  loss 20  0:01:20 left",
                     "distil 30/100  loss 30  0:01:10 left", "epoch 1/4"]  # fmt: skip


@pytest.mark.parametrize("show", [True, False])
def test_on_a_terminal_a_bar_shows_the_time_left_and_silence_shows_nothing(monkeypatch, show):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with progress("distil", 4, show) as shown:
        shown.step(2, "loss 0.5 (task 0.1, teacher 0.4)  lr 0.05")
        shown.note("epoch 1/2")
    text = terminal.getvalue()
    assert ("teacher 0.4" in text and "2/4" in text and "epoch 1/2" in text) == show
    assert (text == "") == (not show)


HELD = """
import os, sys
from rdpass.core.progress import progress
from rdpass.core.tvm_messages import without_tvm_lines
with progress("compile", 4) as shown, without_tvm_lines():
    shown.step(1, "building for the board")
    shown._bar.refresh()
    os.write(1, b"here\\n")
    sys.stdin.read()
"""


def test_the_bar_moves_on_while_what_others_write_to_stderr_is_held():
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    command = [sys.executable, "-c", HELD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as own:
        os.close(theirs)
        try:
            assert own.stdout.readline() == b"here\n"
            shown = b""
            while b"building for the board" not in shown:  # before anything is let go, in as many parts as it comes
                assert select.select([terminal], [], [], 60)[0], shown
                shown += os.read(terminal, 1 << 16)
        finally:
            own.stdin.close()
            own.wait()
    os.close(terminal)
    assert own.returncode == 0


TRAINING = """
import sys
from rdpass.core.progress import progress
with progress("distil", 1250) as shown:
    shown.step(600, "loss 2.0712 (task 1.0110, teacher 1.0602)  lr 0.0387  faded 20%  through the teacher 13%")
    shown._bar.refresh()
"""


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (60, "loss 2.0712"),
        (80, "loss 2.0712  lr 0.0387  faded 20%"),
        (120, "loss 2.0712 (task 1.0110, teacher 1.0602)  lr 0.0387"),
        (160, "loss 2.0712 (task 1.0110, teacher 1.0602)  lr 0.0387  faded 20%  through the teacher 13%"),
    ],
)
def test_a_line_is_told_whole_on_a_terminal_of_any_width(columns, told):
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    subprocess.run([sys.executable, "-c", TRAINING], stderr=theirs, env={**environment, "TERM": "xterm"}, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a pseudo-terminal ends
        while part := os.read(terminal, 1 << 16):
            shown += part
    os.close(terminal)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "\n").split("\n")
    last = next(line for line in reversed(lines) if "600/1250" in line)
    assert re.fullmatch(rf"distil [━╸╺ ]+ 48% +600/1250 +\S+ +{re.escape(told)} *", last), last
    assert len(last) <= columns


def test_fields_that_do_not_fit_are_left_out_whole():
    assert fitting("loss 0.5 (task 0.1)  lr 0.05", 30) == "loss 0.5 (task 0.1)  lr 0.05"
    assert fitting("loss 0.5 (task 0.1)  lr 0.05", 27) == "loss 0.5 (task 0.1)"
    assert fitting("loss 0.5 (task 0.1)  lr 0.05", 17) == "loss 0.5  lr 0.05"
    assert fitting("loss 0.5 (task 0.1)  lr 0.05", 9) == "loss 0.5"
    assert fitting("loss 0.5", 5) == ""
