"""Reading a folder's files: regular ones alone, none through a link, each opened once."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.deploy.bundle import contents
from rdpass.deploy.bundle.contents import check_listed, digest, read_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net" / "lib").mkdir(parents=True)
    (tmp_path / "net" / "a").write_bytes(b"1" * 3_000_000)
    (tmp_path / "net" / "lib" / "b").write_bytes(b"2")
    (tmp_path / "net" / "a").chmod(0o755)
    return tmp_path / "net"


def test_the_digest_is_that_of_the_bytes_and_so_is_the_copy(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "lib/b"):
        expected = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digest(folder, name) == digest(folder, name, tmp_path / "copy") == expected
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()
    modes = [stat.S_IMODE((tmp_path / "copy" / name).stat().st_mode) for name in ("a", "lib/b")]
    assert modes == [0o700, 0o600]


def test_each_file_is_opened_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def told(path: Any, *more: Any, **options: Any) -> int:
        opened.append(str(path))
        return call(path, *more, **options)

    call = os.open
    monkeypatch.setattr(contents.os, "open", told)
    digest(folder, "lib/b", tmp_path / "copy")
    assert opened == [str(folder), "lib", "b", str(tmp_path / "copy" / "lib" / "b")]


def test_no_part_of_a_name_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("a")
    (folder / "far").symlink_to("lib")
    for name in ("link", "far/b"):
        with pytest.raises((IntegrityError, NotADirectoryError)):
            digest(folder, name)
    with pytest.raises(IntegrityError, match="lib is a folder"):
        digest(folder, "lib")
    os.mkfifo(folder / "pipe")
    with pytest.raises(IntegrityError, match="pipe is a pipe"):
        read_text(folder, "pipe")


def test_a_text_is_read_whole_and_none_that_is_huge(folder: Path) -> None:
    assert read_text(folder, "lib/b") == b"2"
    assert len(read_text(folder, "a")) == 3_000_000
    os.truncate(folder / "a", 1 << 40)
    with pytest.raises(IntegrityError, match="a is damaged: it is too large"):
        read_text(folder, "a")


def test_more_and_less_than_is_listed_is_named(folder: Path) -> None:
    check_listed(folder, {"a", "lib/b"}, {"signature"})
    (folder / "signature").write_text("")
    check_listed(folder, {"a", "lib/b"}, {"signature"})
    for names, reason in (({"a", "lib/b", "c"}, "c is missing"), ({"a", "lib/c"}, "lib/b is not part"),
                          ({"a"}, "the folder lib is not part")):  # fmt: skip
        with pytest.raises(IntegrityError, match=reason):
            check_listed(folder, names, {"signature"})


def test_a_copy_for_which_there_is_no_room_names_the_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("no folder")
    with pytest.raises(ConfigError, match=r"can't be copied to .*copy/a: .*TMPDIR names another place"):
        digest(folder, "a", tmp_path / "copy")
