"""What others wrote reaches a terminal as one line of letters."""

import pytest

from rdpass.core.printable import printable, short_count, three_figures


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "\x07", "\x00", "a\u202eb", "\u2028", "\ud800", "\x7f"])
def test_letters_that_are_commands_to_a_terminal_become_question_marks(text):
    shown = printable(f"a{text}b")
    assert shown.isprintable()
    assert "?" in shown
    assert shown.startswith("a")
    assert shown.endswith("b")


def test_lines_and_tabs_become_blanks_and_everything_else_stays():
    assert printable("a\nb\tc\rd") == "a b c d"
    assert printable('é "quoted" \\ 中文 [red]') == 'é "quoted" \\ 中文 [red]'


def test_long_text_is_shortened_in_the_middle():
    assert printable("x" * 300) == "x" * 300
    shown = printable("start" + "x" * 10_000 + "end", 21)
    assert (len(shown), shown[:5], shown[-3:], "…" in shown) == (21, "start", "end", True)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.2841, "0.284"), (57.349, "57.3"), (596, "596"), (1403.2, "1400"), (12_345_678.0, "12300000")],
)
def test_three_figures_come_without_an_exponent(value, words):
    assert three_figures(value) == words


def test_counts_have_three_figures_and_a_prefix():
    assert [short_count(count, "B") for count in (0, 812, 2048, 1_290_000, 4_110_000_000)] == [
        "0 B", "812 B", "2.05 kB", "1.29 MB", "4.11 GB",
    ]  # fmt: skip
    assert [short_count(count) for count in (32, 39_712)] == ["32", "39.7 k"]
