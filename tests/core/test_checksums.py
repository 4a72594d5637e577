"""Checksums that files carry of themselves: every flipped bit and every torn end is found."""

import json

import pytest

from rdpass.core.checksums import open_object, read_sealed, seal_file, sealed_object


@pytest.mark.parametrize("content", [b"", b"1", b"\nsha256 ", bytes(range(256)) * 9])
def test_a_sealed_file_gives_its_bytes_back_and_any_other_is_refused(tmp_path, content):
    place = tmp_path / "file"
    place.write_bytes(content)
    seal_file(place)
    assert read_sealed(place) == content
    whole = place.read_bytes()
    for at in range(0, len(whole), 1 if len(whole) < 100 else 7):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(ValueError, match="checksum"):
            read_sealed(place)
        place.write_bytes(whole[:at])
        with pytest.raises(ValueError, match="checksum"):
            read_sealed(place)


def test_an_object_is_read_whatever_its_layout_and_none_that_was_changed():
    body = {"b": [1, 2.5, None, "é"], "a": {"x": float("nan")}}
    sealed = sealed_object(body)
    for text in (json.dumps(sealed), json.dumps(sealed, indent=3, sort_keys=True)):
        assert json.dumps(open_object(text), sort_keys=True) == json.dumps(body, sort_keys=True)
    for other in ({**sealed, "b": 1}, {**sealed, "c": 1}, {"b": sealed["b"], "sha256": sealed["sha256"]}, body, [], 7):
        with pytest.raises(ValueError, match="checksum"):
            open_object(json.dumps(other))
    for text, reason in (("", "Expecting"), ("{", "Expecting"), ("[" * 100_000, "endless brackets")):
        with pytest.raises(ValueError, match=reason):
            open_object(text)
