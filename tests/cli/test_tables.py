"""Tables: columns to the left or right, nothing cut off a terminal; sizes in powers of 1000."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from rdpass.cli.tables import WIDTH_OFF_TERMINAL, console, print_table, say, size


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (25_149, "25.1 kB"), (999_900, "999.9 kB"), (4_008_000, "4.01 MB")],
)
def test_bytes_are_said_in_powers_of_1000(count, words):
    assert size(count) == words


def test_columns_that_are_marked_are_right_aligned(capsys):
    print_table(("name", ">count"), [("a", "1"), ("long one", "1000")], title="things")
    first, head, *rest = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert first == "things"
    assert head.split() == ["name", "count"]
    a, long = rest[-2:]
    assert a.index("1") == long.index("1000") + 3
    assert a.index("a") == long.index("long")


def test_a_line_that_no_window_would_hold_stays_whole_in_a_pipe(capsys):
    words = " ".join(["word"] * 25)
    print_table(("said",), [(words,)])
    assert words in capsys.readouterr().out
    assert console().width == WIDTH_OFF_TERMINAL


def test_on_a_terminal_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "61")
    assert console().width == 61


def test_numbers_are_not_coloured(capsys):
    print_table((">n",), [("42",)])
    assert "\x1b[" not in capsys.readouterr().out


SENTENCE = "Worth training: without shortcuts it takes 12 % less time and 31 % less memory at the peak, as estimated."
SAYING = f"from rdpass.cli.tables import say; say({SENTENCE!r}, is_good=True)"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_on_a_terminal_a_verdict_has_a_colour_and_no_word_of_it_is_broken(columns):
    shown = on_terminal(SAYING, columns)
    assert "\x1b[32m" in shown
    assert without_colour(shown).split() == SENTENCE.split()
    assert max(map(len, without_colour(shown).splitlines())) <= columns


def test_where_no_colour_is_wanted_there_is_none():
    shown = on_terminal(SAYING, 80, NO_COLOR="1")
    assert "\x1b[3" not in shown
    assert shown.split() == SENTENCE.split()


def test_off_a_terminal_a_sentence_is_one_line(capsys):
    say(SENTENCE * 3 + " [bold]", is_good=False)
    assert capsys.readouterr().out == f"{SENTENCE * 3} [bold]\n"


def on_terminal(code, columns, **environment):
    """What ``code`` writes to a terminal of that width."""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    surroundings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**surroundings, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while read := os.read(terminal, 4096):
            shown += read
    os.close(terminal)
    assert process.wait() == 0, shown
    return shown.decode()


def without_colour(shown):
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)
