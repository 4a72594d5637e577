"""Files of a folder line by line: intact records, a finding for everything else, and nothing that waits or grows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rdpass.core.errors import ConfigError
from rdpass.database.checksum import LONGEST
from rdpass.database.lines import Finding, read_file, read_folder, record_files
from rdpass.database.record_line import write_record

from .records import record

LINES = [write_record(record(number)) for number in range(3)]


def written(path: Path, *texts: bytes) -> Path:
    path.write_bytes(b"".join(texts))
    return path


def test_lines_come_in_their_order_each_with_its_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", LINES[0], b"torn\n", LINES[1], LINES[2][:-1])
    found = [line.content for line in read_file(path)]
    assert [found[index] for index in (0, 2, 3)] == [record(number) for number in range(3)]
    assert found[1] == Finding("a.jsonl", 2, "no JSON: torn, or something else")
    assert b"".join(line.text for line in read_file(path)) == path.read_bytes()


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST + 5])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_one_finding_and_the_next_is_read(tmp_path: Path, size: int, end: bytes) -> None:
    path = written(tmp_path / "a.jsonl", b"x" * size, end, *([LINES[0]] if end else []))
    first, *rest = read_file(path)
    assert isinstance(first.content, Finding)
    assert (first.content.line, len(first.text) <= LONGEST) == (1, True)
    assert (first.content.reason == f"longer than {LONGEST} bytes") == (size >= LONGEST)
    assert [line.content for line in rest] == ([record(0)] if end else [])


def test_files_are_read_in_the_order_of_their_names_and_others_not_at_all(tmp_path: Path) -> None:
    for name, line in (("b.jsonl", LINES[1]), ("a.jsonl", LINES[0]), ("c.jsonl.damaged", LINES[2])):
        written(tmp_path / name, line)
    assert [path.name for path in record_files(tmp_path)] == ["a.jsonl", "b.jsonl"]
    assert [line.content for line in read_folder(tmp_path)] == [record(0), record(1)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), ""),
        (os.mkfifo, "no file"),
        (lambda path: path.symlink_to("nowhere"), "can't be read: No such file"),
        (lambda path: path.symlink_to(path.name), "can't be read: Too many levels"),
    ],
    ids=["a folder", "a pipe", "a link to nowhere", "a link to itself"],
)
def test_what_is_no_file_is_one_finding_and_nobody_waits_for_it(tmp_path: Path, make: object, reason: str) -> None:
    make(tmp_path / "a.jsonl")
    ((text, content),) = ((line.text, line.content) for line in read_folder(tmp_path))
    assert text == b""
    assert isinstance(content, Finding)
    assert (content.file, content.line) == ("a.jsonl", 0)
    assert reason in content.reason


def test_an_empty_file_and_a_folder_that_is_not_there_have_no_lines(tmp_path: Path) -> None:
    assert list(read_file(written(tmp_path / "a.jsonl"))) == []
    assert list(read_folder(tmp_path / "none")) == []
    with pytest.raises(ConfigError, match="can't be read"):
        list(read_folder(tmp_path / "a.jsonl"))
