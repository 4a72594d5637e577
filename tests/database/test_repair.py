"""A sound folder of what there is: what repair keeps, puts aside and leaves, and what merging takes in."""

from __future__ import annotations

from pathlib import Path

from rdpass.database.folder import add_records, read_records
from rdpass.database.record_line import write_record
from rdpass.database.repair import check, merge, repair

from .records import record
from .spoiling import KEPT, after, between


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


def test_what_repair_takes_out_is_kept_beside(spoiled: Path) -> None:
    between(b"somebody's note\n")(spoiled)
    repair(spoiled.parent)
    assert Path(f"{spoiled}.damaged").read_bytes() == b"somebody's note\n"


def test_records_that_are_there_twice_count_once_after_repair(spoiled: Path) -> None:
    after(write_record(KEPT[1]) * 2)(spoiled)
    assert check(spoiled.parent).duplicates == 2
    assert check(spoiled.parent).is_sound
    repair(spoiled.parent)
    assert read_records(spoiled.parent) == KEPT
