"""Lines of JSON with a checksum of themselves: what was changed in them is found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.database.checksum import FORMAT, checksum, read_line, write_line

FIELDS = {"b": 1, "a": [1.5, None, "ü"], "c": {"d": True}}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text().filter(lambda key: key not in ("format", "sha256")), VALUES))
def test_fields_come_back_as_they_were_written_on_one_line(fields: dict[str, Any]) -> None:
    line = write_line(fields)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_line(line) == {**fields, "format": FORMAT}


def test_the_order_of_fields_does_not_count() -> None:
    assert write_line(FIELDS) == write_line(dict(reversed(FIELDS.items())))
    shuffled = json.dumps(dict(reversed(json.loads(write_line(FIELDS)).items())), indent=1).replace("\n", " ")
    assert read_line(shuffled.encode()) == read_line(write_line(FIELDS))
    assert len(checksum(FIELDS)) == 16


def test_any_one_byte_that_changes_is_found() -> None:
    line = write_line(FIELDS)
    for place in range(len(line) - 1):
        spoiled = bytearray(line)
        spoiled[place] ^= 1
        with pytest.raises(ValueError, match=r".+"):
            read_line(bytes(spoiled))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "a blank line"),
        (b" \t\n", "a blank line"),
        (b"\xff", "no UTF-8"),
        (b'{"a": 1', "no JSON: torn"),
        (b"[1, 2]", "no JSON object"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"[" * 100_000, "endless brackets"),
        (b"{}", "the checksum does not fit"),
    ],
)
def test_what_is_no_such_line_is_refused_with_what_is_wrong(line: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_line(line)


def test_a_line_of_another_format_is_told_by_its_number() -> None:
    body = {"a": 1, "format": FORMAT + 1}
    line = json.dumps({**body, "sha256": checksum(body)}).encode()
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}, this version reads {FORMAT}"):
        read_line(line)


def test_numbers_that_are_not_finite_can_not_be_written() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_line({"a": float("inf")})
