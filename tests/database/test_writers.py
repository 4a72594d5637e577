"""Several writers at once, and one that is killed while it writes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from rdpass.database.folder import add_records, read_records
from rdpass.database.repair import check, merge, repair

from .records import record

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


def test_merging_takes_in_what_is_missing_once(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    add_records(here, [record(0), record(1)])
    add_records(there, [record(1), record(2), record(2), record(3, target="0" * 12, target_name="other/board")])
    with (there / "rpi4.jsonl").open("wb") as file:
        file.write(b"torn")
    assert merge(here, [there, there]) == 2
    assert merge(here, [there]) == 0
    assert len(read_records(here)) == 4
    assert check(here).is_sound
