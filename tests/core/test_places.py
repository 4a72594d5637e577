"""What ``--force`` may replace, and what nothing may: users' own files, links, devices, inputs and their folders."""

import os
import socket
from pathlib import Path

import pytest

from rdpass.core.errors import ConfigError
from rdpass.core.places import check_free, check_kept, file_names


def written(folder):
    """A kind of output: it has a mark, a file and a folder of any files."""
    return {"mark", "data", "logs/"} if (folder / "mark").is_file() else None


def output(folder):
    """An output of that kind."""
    (folder / "logs" / "deep").mkdir(parents=True)
    for name in ("mark", "data", "logs/deep/a"):
        (folder / name).write_text(name)
    return folder


def refused(path, reason, *, folder=True, force=True, inputs=()):
    with pytest.raises(ConfigError, match=reason):
        check_free(path, force, written if folder else None, inputs)


def test_an_older_output_and_an_empty_folder_may_be_replaced_when_told_to(tmp_path):
    out = output(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    for path in (out, tmp_path / "empty"):
        check_free(path, True, written)
        refused(path, "exists already", force=False)
    (tmp_path / "file").write_text("")
    check_free(tmp_path / "file", True)
    refused(tmp_path / "file", "exists already", folder=False, force=False)


def test_a_folder_without_the_mark_is_not_replaced(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.onnx").write_text("")
    refused(tmp_path / "models", "is no output of this command")


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt", "logs.txt", "data/none"])
def test_neither_is_an_output_to_which_somebody_added_a_file(tmp_path, name):
    out = output(tmp_path / "out")
    (out / "data").unlink()
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    refused(out, f"holds {name}, which rdpass did not write")


def test_a_link_that_somebody_put_into_an_output_counts_as_a_file(tmp_path):
    out = output(tmp_path / "out")
    (tmp_path / "far").mkdir()
    (out / "link").symlink_to(tmp_path / "far")
    assert file_names(out) == ["data", "link", "logs/deep/a", "mark"]
    refused(out, "holds link, which")


def test_links_are_not_replaced_wherever_they_lead(tmp_path):
    output(tmp_path / "out")
    (tmp_path / "file").write_text("")
    for name, folder in (("out", True), ("file", False), ("nowhere", True), ("nowhere", False)):
        link = tmp_path / f"link to {name} {folder}"
        link.symlink_to(tmp_path / name)
        refused(link, "is a link", folder=folder)
        refused(link, "is a link", folder=folder, force=False)


def test_neither_are_devices_pipes_and_sockets(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in ("/dev/null", tmp_path / "pipe", tmp_path / "socket"):
            for folder in (True, False):
                refused(tmp_path / path, "is a device, a pipe or a socket", folder=folder)


def test_a_dash_is_no_name_of_an_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (False, True):
        for force in (False, True):
            refused(Path("-"), "- stands for stdout, where this can't be written", folder=folder, force=force)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_place_for_a_file_and_a_file_none_for_a_folder(tmp_path):
    output(tmp_path / "out")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "out", "is a folder, and a file was to be", folder=False)
    refused(tmp_path / "file", "is a file, and a folder was to be")


def test_the_current_folder_and_those_round_it_are_not_replaced(tmp_path, monkeypatch):
    out = output(tmp_path / "out")
    monkeypatch.chdir(out / "logs")
    for path in ("..", "../../out", str(out), "."):
        refused(tmp_path / "out" / "logs" / path, "is the current folder or holds it")


def test_an_input_is_never_written_over_under_whatever_name(tmp_path):
    given = tmp_path / "x.npy"
    given.write_text("mine")
    os.link(given, tmp_path / "same.npy")
    (tmp_path / "folder").symlink_to(tmp_path)
    for path in (given, tmp_path / "same.npy", tmp_path / "folder" / "x.npy", tmp_path / "folder" / ".." / "x.npy"):
        if path.exists():
            refused(path, "is an input of this command", folder=False, inputs=[tmp_path / "other", given])
    (tmp_path / "link.npy").symlink_to(given)
    refused(tmp_path / "link.npy", "is an input of this command", folder=False, inputs=[given])
    refused(given, "is an input of this command", folder=False, inputs=[tmp_path / "link.npy"])
    check_free(tmp_path / "y.npy", True, inputs=[given])


def test_nor_is_a_folder_that_an_input_lies_in(tmp_path):
    out = output(tmp_path / "out")
    refused(out, "holds .*data, an input of this command", inputs=[out / "data"])
    refused(out, "is an input of this command", inputs=[out])
    with pytest.raises(ConfigError, match="holds"):
        check_kept(tmp_path, [out / "logs" / "deep" / "a"])
    check_free(out, True, written, [out / "nothing of that name", tmp_path / "other"])
