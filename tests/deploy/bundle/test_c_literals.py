"""Texts in C: whatever they hold, a compiler reads them back byte by byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rdpass.deploy.bundle.c_literals import c_string

TEXTS = [
    '"; system("reboot"); "', "\\", "\\n", "a\nb\r\tc", "??/", "ü€𝄞", "%s%n", "*/ // \\\n", "", "plain - text_1./",
    "\x01" + "7",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_nothing_ends_the_literal(text: str) -> None:
    literal = c_string(text)
    assert literal[0] == literal[-1] == '"'
    assert '"' not in literal[1:-1]
    assert literal.isascii()
    assert literal.isprintable()


def test_a_compiler_reads_the_bytes_back(tmp_path: Path) -> None:
    lines = "\n".join(
        f"fwrite({c_string(text)}, 1, sizeof {c_string(text)} - 1, stdout); putchar(0);" for text in TEXTS
    )
    (tmp_path / "texts.c").write_text(f"#include <stdio.h>\nint main(void) {{\n{lines}\nreturn 0; }}\n")
    subprocess.run(["gcc", "-Wall", "-Werror", "-trigraphs", "texts.c", "-o", "texts"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "texts"], capture_output=True, check=True).stdout
    assert printed == b"".join(text.encode() + b"\0" for text in TEXTS)
