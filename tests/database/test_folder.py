"""Adding records: several writers at once, one that is killed while it writes, and disks that are full."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdpass.core.errors import ConfigError
from rdpass.database import folder as folder_module
from rdpass.database.folder import add_records, read_records
from rdpass.database.repair import check, repair

from .records import record
from .spoiling import KEPT

_WRITER = """
from pathlib import Path
from tests.database.records import record
from rdpass.database.folder import add_records
for number in range({begin}, {end}):
    add_records(Path({folder!r}), [record(number, seconds=1.0 + number)])
"""


def _start(folder: Path, begin: int, end: int) -> subprocess.Popen[bytes]:
    code = _WRITER.format(folder=str(folder), begin=begin, end=end)
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def test_two_writers_lose_nothing_while_a_third_repairs(tmp_path: Path) -> None:
    writers = [_start(tmp_path, 0, 60), _start(tmp_path, 60, 120)]
    while any(writer.poll() is None for writer in writers):
        time.sleep(0.05)
        if tmp_path.joinpath(".lock").exists():
            repair(tmp_path)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert {r.seconds for r in read_records(tmp_path)} == {1.0 + number for number in range(120)}
    assert check(tmp_path).is_sound


def test_a_writer_that_is_killed_leaves_whole_records_and_a_free_lock(tmp_path: Path) -> None:
    writer = _start(tmp_path, 0, 10**6)
    deadline = time.monotonic() + 60
    while len(read_records(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    before = len(read_records(tmp_path))
    assert before >= 5
    add_records(tmp_path, [record(7, seconds=9.0)])
    assert len(read_records(tmp_path)) == before + 1


def test_a_folder_where_this_targets_file_should_be_is_an_error_that_names_it(spoiled: Path) -> None:
    spoiled.unlink()
    spoiled.mkdir()
    with pytest.raises(ConfigError, match=rf"{spoiled.name} can't be written"):
        add_records(spoiled.parent, [record(20)])


def test_a_full_disk_takes_back_what_it_could_not_write(spoiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = spoiled.read_bytes(), os.write

    def half(file: int, text: bytes) -> int:
        if len(text) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, text[: len(text) // 2])

    monkeypatch.setattr(folder_module.os, "write", half)
    with pytest.raises(ConfigError, match="No space left on device"):
        add_records(spoiled.parent, [record(20)])
    assert spoiled.read_bytes() == before


def test_a_limit_on_the_size_of_files_loses_no_record(spoiled: Path) -> None:
    size = spoiled.stat().st_size
    code = (
        "from pathlib import Path; from tests.database.records import record;"
        "from rdpass.database.folder import add_records;"
        f"[add_records(Path({str(spoiled.parent)!r}), [record(number)]) for number in range(20, 40)]"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, size + 1000))

    done = subprocess.run([sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, check=False)
    assert "ConfigError" in done.stderr
    assert "File too large" in done.stderr
    survived = read_records(spoiled.parent)
    assert survived[: len(KEPT)] == KEPT
    assert survived[len(KEPT) :] == [record(20)]
    assert check(spoiled.parent).is_sound
