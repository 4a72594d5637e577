"""Renames in one step, and what happens where a system has none."""

import pytest

from rdpass.core import renames
from rdpass.core.renames import exchange, rename_new


@pytest.fixture(params=["the system's", "a system without"])
def system(request, monkeypatch):
    if request.param != "the system's":
        monkeypatch.setattr(renames, "_renamed", lambda *arguments: False)


@pytest.mark.usefixtures("system")
def test_a_file_goes_to_a_free_place_and_never_over_another(tmp_path):
    (tmp_path / "a").write_text("1")
    rename_new(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    (tmp_path / "a").write_text("2")
    with pytest.raises(FileExistsError):
        rename_new(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("2", "1")


@pytest.mark.usefixtures("system")
def test_a_folder_goes_to_a_free_place_and_never_over_one_that_holds_something(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    with pytest.raises(OSError, match=r"not empty|exists"):
        rename_new(tmp_path / "a", tmp_path / "b")
    rename_new(tmp_path / "a", tmp_path / "c")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["b", "b/b", "c", "c/a"]


def test_two_folders_change_places(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/b", "b", "b/a"]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "none")


def test_a_system_without_such_renames_says_so_and_does_nothing(tmp_path, monkeypatch):
    class Old:
        pass

    monkeypatch.setattr(renames.ctypes, "CDLL", lambda *arguments, **options: Old())
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    assert not exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text() == "1"
