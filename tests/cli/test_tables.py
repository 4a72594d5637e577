"""Tables: columns to the left or right, nothing cut off a terminal; sizes in powers of 1000."""

import sys

import pytest

from rdpass.cli.tables import WIDTH_OFF_TERMINAL, console, print_table, size


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
