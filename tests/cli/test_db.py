"""``rdpass db``: a folder of records checked, repaired, merged and counted."""

from __future__ import annotations

import json
from pathlib import Path

from rdpass.cli.app import run
from rdpass.database.folder import add_records
from tests.database.records import network_record, record
from tests.database.spoiling import after


def test_stats_count_by_target(tmp_path: Path, capfd):
    failed = record(2, seconds=None, failure="wrong numbers")
    records = [record(0), record(1, method="mca"), failed, record(3, code="0" * 12)]
    add_records(tmp_path, [*records, record(0, target="0" * 12, target_name="my/own board")])
    assert run(["db", "stats", str(tmp_path), "--json"]) == 0
    mine, rpi4 = json.loads(capfd.readouterr().out)
    assert (mine["name"], mine["records"]) == ("my/own board", 1)
    counts = {"records": 4, "measured": 1, "estimated": 1, "failed": 1, "stale": 1, "workloads": 1}
    assert rpi4.items() >= counts.items()
    assert run(["db", "stats", str(tmp_path)]) == 0
    assert "my/own board" in capfd.readouterr().out
    assert run(["db", "stats", str(tmp_path / "none")]) == 2


def test_a_sound_folder_is_checked_and_said_to_be_sound(tmp_path: Path, capfd) -> None:
    add_records(tmp_path, [record(0), record(1), record(0), network_record()])
    assert run(["db", "check", str(tmp_path), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["records"], found["duplicates"], found["findings"], found["sound"]) == (4, 1, [], True)
    assert run(["db", "check", str(tmp_path)]) == 0
    assert capfd.readouterr().out == "4 intact records, 1 of them again; 0 things that are none\n"


def test_damage_ends_with_its_exit_code_until_it_is_repaired_and_is_put_aside(tmp_path: Path, capfd) -> None:
    add_records(tmp_path, [record(0), record(1), record(0)])
    (file,) = tmp_path.glob("*.jsonl")
    after(b"[torn\n")(file)
    damaged = file.read_bytes()
    assert run(["db", "check", str(tmp_path)]) == 8
    shown = capfd.readouterr().out
    assert file.name in shown
    assert "3 intact records, 1 of them again; 1 things that are none" in shown
    assert file.read_bytes() == damaged
    assert run(["db", "repair", str(tmp_path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["kept"] == 2
    assert b"[torn" in next(tmp_path.glob("*.damaged")).read_bytes()
    assert run(["db", "check", str(tmp_path)]) == 0


def test_records_of_other_folders_are_added_each_once(tmp_path: Path, capfd) -> None:
    add_records(tmp_path / "one", [record(0), record(1)])
    add_records(tmp_path / "two", [record(1), record(2)])
    places = [str(tmp_path / name) for name in ("all", "one", "two")]
    assert run(["db", "merge", *places, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"added": 3}
    assert run(["db", "merge", *places]) == 0
    assert capfd.readouterr().out == f"0 records added to {places[0]}\n"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, capfd) -> None:
    for words in (["check"], ["repair"], ["stats"]):
        assert run(["db", *words, str(tmp_path / "none")]) == 2
        assert "none" in capfd.readouterr().err
    assert run(["db", "merge", str(tmp_path / "all"), str(tmp_path / "none")]) == 2
