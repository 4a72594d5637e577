import errno
import os
import stat
from pathlib import Path

import pytest

from rdpass.core import files
from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file, new_folder, tidy_up


def written(folder):
    return {"old", "new"}


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
        with new_folder(tmp_path / "out", force=True, written=written) as folder:
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
    with new_folder(tmp_path / "out", force=True, written=written) as folder:
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


def test_force_replaces_nothing_that_it_does_not_know(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("mine")
    for known in (None, lambda folder: {"new"}):
        with pytest.raises(ConfigError), new_folder(tmp_path / "out", force=True, written=known):
            pytest.fail("the place is refused before anything is written")
    assert everything_below(tmp_path) == ["out", "out/old"]


@pytest.mark.parametrize("force", [False, True])
def test_what_came_there_meanwhile_is_kept(tmp_path, force):
    def race():
        with new_folder(tmp_path / "out", force, written) as folder:
            (folder / "new").write_text("2")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "photo").write_text("mine")

    with pytest.raises(ConfigError):
        race()
    assert everything_below(tmp_path) == ["out", "out/photo"]


def test_a_file_that_came_there_meanwhile_is_kept(tmp_path, monkeypatch):
    def race():
        with new_file(tmp_path / "a") as file:
            file.write_text("2")
            monkeypatch.setattr(files, "check_free", lambda *arguments: (tmp_path / "a").write_text("mine"))

    with pytest.raises(ConfigError, match="written by another process meanwhile"):
        race()
    assert (tmp_path / "a").read_text() == "mine"


def test_links_are_not_followed(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match="is a link"), new_file(tmp_path / "link", force=True):
        pass
    assert (tmp_path / "target").read_text() == "mine"


def test_everything_is_synced_before_it_is_renamed_and_then_the_rename(tmp_path, monkeypatch):
    calls = []

    def told(name, call, of=lambda *arguments: ()):
        def telling(*arguments, **options):
            calls.append((name, *of(*arguments)))
            return call(*arguments, **options)

        return telling

    def place(descriptor):
        return [str(Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path)).replace(work.name, "WORK")]

    monkeypatch.setattr(os, "fsync", told("sync", os.fsync, place))
    for name in ("rename_new", "exchange"):
        monkeypatch.setattr(files, name, told("rename", getattr(files, name)))
    monkeypatch.setattr(files.shutil, "rmtree", told("remove", files.shutil.rmtree))
    for force in (False, True):
        calls.clear()
        with new_folder(tmp_path / "out", force, lambda folder: {"a", "b/c"}) as folder:
            work = folder.parent
            (folder / "b").mkdir()
            (folder / "a").write_text("1")
            (folder / "b" / "c").write_text("1")
        assert set(calls[:4]) == {("sync", f"WORK/new{name}") for name in ("", "/a", "/b", "/b/c")}
        assert calls[3] == ("sync", "WORK/new")
        assert calls[4:] == [("rename",), ("sync", "."), ("remove",)]
    calls.clear()
    with new_file(tmp_path / "file") as file:
        work = file.parent
        file.write_text("1")
    assert calls == [("sync", "WORK/file"), ("rename",), ("sync", "."), ("remove",)]


def die_in(call, path, work):
    """Run ``work`` in a process of its own that ends, as by kill -9, when it makes the ``call``th rename or removal."""
    process = os.fork()
    if process == 0:
        count = 0

        def dying(original):
            def renamed(*arguments, **options):
                nonlocal count
                count += 1
                if count == call:
                    os._exit(9)
                return original(*arguments, **options)

            return renamed

        for holder, name in ((os, "rename"), (os, "replace"), (files, "rename_new"), (files, "exchange"),
                             (files.shutil, "rmtree")):  # fmt: skip
            setattr(holder, name, dying(getattr(holder, name)))
        work(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def replace(path):
    with new_folder(path, force=True, written=written) as folder:
        (folder / "new").write_text("2")


def replace_on_an_old_system(path):
    files.exchange = lambda *arguments: False
    replace(path)


@pytest.mark.parametrize("work", [replace, replace_on_an_old_system])
def test_whoever_is_killed_leaves_the_old_or_the_new_and_the_next_tidies_up(tmp_path, work):
    left = set()
    for call in range(1, 10):
        folder = tmp_path / str(call)
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "old").write_text("mine")
        code = die_in(call, folder / "out", work)
        tidy_up(folder / "out")
        found = everything_below(folder)
        assert found in (["out", "out/old"], ["out", "out/new"]), (call, found)
        left.add(found[1])
        if code == 0:
            assert call > 2
            assert found == ["out", "out/new"]
            break
        replace(folder / "out")
        assert everything_below(folder) == ["out", "out/new"]
    assert left == {"out/old", "out/new"}


def test_nobody_tidies_up_behind_one_that_is_at_work(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "new").write_text("2")
        tidy_up(tmp_path / "out")
        with new_file(tmp_path / "out.part") as other:
            other.write_text("3")
            tidy_up(tmp_path / "out")
    assert everything_below(tmp_path) == ["out", "out.part", "out/new"]


def test_only_hidden_folders_of_its_own_are_tidied_up(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "mine").write_text("")
    (tmp_path / ".out.abcd1234.tmp").symlink_to(tmp_path / "far")
    for name in (".out.tmp", ".out.part.abcd1234.tmp", ".out.abcd1234", "out.abcd1234.tmp"):
        (tmp_path / name).mkdir()
    before = everything_below(tmp_path)
    with new_folder(tmp_path / "out") as folder:
        (folder / "new").write_text("2")
    assert everything_below(tmp_path) == sorted([*before, "out", "out/new"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_place_and_nothing_is_left(tmp_path, monkeypatch, number):
    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    for make in (new_folder, new_file):
        with (
            pytest.raises(ConfigError, match=f"out can't be written: {os.strerror(number)}"),
            make(tmp_path / "out") as out,
        ):
            (out / "a" if make is new_folder else out).write_text("1")
    assert everything_below(tmp_path) == []


def test_names_of_any_length_and_letters_are_written_or_refused_in_words(tmp_path):
    for name in ("a*[b]?", "n" * 255, "é" * 127, " "):
        with new_file(tmp_path / name) as file:
            file.write_text("1")
        assert (tmp_path / name).read_text() == "1"
    with pytest.raises(ConfigError, match="can't be written: File name too long"), new_file(tmp_path / ("n" * 256)):
        pass
    with pytest.raises(ConfigError, match=r"can't be written: .*null"), new_file(tmp_path / "a\0b"):
        pass
    assert not list(tmp_path.glob(".*"))


def test_modes_do_not_depend_on_the_mask(tmp_path):
    for mask in (0o077, 0o022, 0):
        before = os.umask(mask)
        try:
            with new_folder(tmp_path / str(mask)) as folder:
                (folder / "a").write_text("")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / str(mask)).stat().st_mode) == 0o755
