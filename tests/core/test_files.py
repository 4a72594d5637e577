import os

import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file, new_folder


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
    assert everything_below(tmp_path) == ["deep", "deep/out", "deep/out/a"]


def test_after_a_failure_nothing_is_there_and_what_was_there_still_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("mine")

    def fail_halfway():
        with new_folder(tmp_path / "out", force=True) as folder:
            (folder / "new").write_text("2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert everything_below(tmp_path) == ["out", "out/old"]


def test_an_existing_place_is_replaced_only_with_force(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"), new_folder(tmp_path / "out"):
        pass
    with new_folder(tmp_path / "out", force=True) as folder:
        (folder / "new").write_text("2")
    assert everything_below(tmp_path) == ["out", "out/new"]


def test_a_file_appears_whole_and_a_folder_is_never_replaced_by_one(tmp_path):
    with new_file(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"1")
    assert everything_below(tmp_path) == ["a.bin"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="is a folder"), new_file(tmp_path / "folder", force=True):
        pass


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be written"), new_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(ConfigError, match="can't be written"), new_folder(tmp_path / "locked" / "out"):
        pass
