"""The data of runs that were made here are known by name, and those of others are not."""

from rdpass.core.cache import cache_root
from rdpass.runs.folder import RECORD
from rdpass.runs.known_data import known_data, remember_data


def run_folder(folder, content):
    folder.mkdir()
    (folder / RECORD).write_text(content)
    return folder


def test_data_are_known_for_the_very_run(tmp_path, monkeypatch):
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    one, other = run_folder(tmp_path / "one", "{1}"), run_folder(tmp_path / "other", "{2}")
    remember_data(one, "my.data:loaders")
    assert known_data(one) == "my.data:loaders"
    assert known_data(other) is None
    one.rename(tmp_path / "moved")
    assert known_data(tmp_path / "moved") == "my.data:loaders"
    (tmp_path / "moved" / RECORD).write_text("{3}")
    assert known_data(tmp_path / "moved") is None
    assert known_data(tmp_path) is None


def test_nothing_in_the_folder_names_them(tmp_path, monkeypatch):
    """A folder of somebody else's can't say which code is to run."""
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "cache"))
    folder = run_folder(tmp_path / "one", "{1}")
    remember_data(folder, "my.data:loaders")
    assert [path.name for path in folder.iterdir()] == [RECORD]
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "elsewhere"))
    assert cache_root() == tmp_path / "elsewhere"
    assert known_data(folder) is None


def test_a_cache_that_can_not_be_written_is_no_fault(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path / "file"))
    folder = run_folder(tmp_path / "one", "{1}")
    remember_data(folder, "my.data:loaders")
    assert known_data(folder) is None
