"""Texts in the C that is generated."""

from __future__ import annotations

import re


def c_string(text: str) -> str:
    """A string literal; all but letters, digits and a few signs by their octal numbers, so that nothing can end it."""
    return f'"{re.sub(rb"[^A-Za-z0-9_. /-]", _octal, text.encode()).decode()}"'


def _octal(match: re.Match[bytes]) -> bytes:
    return b"\\%03o" % ord(match[0])
