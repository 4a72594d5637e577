"""The cache: what is kept comes back whole or not at all, and nothing depends on it."""

import os
from pathlib import Path

import pytest

from rdpass.core.cache import cache_root, keep, read_kept


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("content", [b"", b"some bytes", bytes(range(256)) * 1000])
def test_what_is_kept_comes_back_under_its_kind_and_key_alone(content):
    keep("kind", "key", content)
    assert read_kept("kind", "key") == content
    assert read_kept("kind", "other") is None
    assert read_kept("other", "key") is None


def test_what_is_kept_again_takes_the_place_of_the_first_and_leaves_no_other_file(root):
    keep("kind", "key", b"first")
    keep("kind", "key", b"second")
    assert read_kept("kind", "key") == b"second"
    assert [path.name for path in (root / "kind").iterdir()] == ["key"]


@pytest.mark.parametrize(
    "damage",
    [lambda entry: entry[:-1], lambda entry: entry[:10], lambda entry: b"", lambda entry: entry + b"x",
     lambda entry: entry[:-1] + bytes([entry[-1] ^ 1])],
    ids=["torn", "no content", "empty", "longer", "one bit"],
)  # fmt: skip
def test_a_damaged_entry_counts_as_missing_and_can_be_kept_anew(root, damage):
    keep("kind", "key", b"some bytes")
    place = root / "kind" / "key"
    place.write_bytes(damage(place.read_bytes()))
    assert read_kept("kind", "key") is None
    keep("kind", "key", b"some bytes")
    assert read_kept("kind", "key") == b"some bytes"


def test_an_entry_under_anothers_name_counts_as_missing(root):
    keep("kind", "key", b"some bytes")
    (root / "kind" / "key").rename(root / "kind" / "other")
    assert read_kept("kind", "other") is None


def test_a_place_that_can_not_be_written_is_no_error(root):
    root.write_text("a file where the folder should be")
    keep("kind", "key", b"some bytes")
    assert read_kept("kind", "key") is None
    assert root.read_text() == "a file where the folder should be"


def test_a_folder_where_the_entry_should_be_is_left_and_nothing_lies_beside_it(root):
    (root / "kind" / "key").mkdir(parents=True)
    keep("kind", "key", b"some bytes")
    assert read_kept("kind", "key") is None
    assert os.listdir(root / "kind") == ["key"]


def test_without_the_variable_it_is_in_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("RDPASS_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_root() == tmp_path / ".cache" / "rdpass"


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.delenv("RDPASS_CACHE")
    monkeypatch.setattr(Path, "home", homeless)
    keep("kind", "key", b"some bytes")
    assert read_kept("kind", "key") is None
