"""What people are shown: text that others wrote (names in models and files, what boards print), and numbers."""

from __future__ import annotations

LONGEST = 300
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def printable(text: str, longest: int = LONGEST) -> str:
    """One line without control letters, which a terminal would take for commands, shortened in the middle.

    Newlines and tabs become blanks, other letters that can't be printed become question marks.
    """
    line = "".join(letter if letter.isprintable() else " " if letter in "\n\t\r" else "?" for letter in text)
    if len(line) <= longest:
        return line
    kept = (longest - 1) // 2
    return f"{line[:kept]}…{line[-kept:]}"


def three_figures(value: float) -> str:
    """A number to three figures, without an exponent: 0.28, 57.3, 1400."""
    return f"{float(f'{value:.3g}'):.12g}"


def short_count(count: int, unit: str = "") -> str:
    """A count to three figures with a prefix (of powers of 1000): 39.7 k, 2.05 kB, 812 B."""
    for size, prefix in PREFIXES:
        if count >= size:
            return f"{count / size:.3g} {prefix}{unit}"
    return f"{count} {unit}".rstrip()
