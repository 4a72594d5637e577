"""Counts of a folder's records, by target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rdpass.cli.app import run
from rdpass.database.folder import add_records, file_of
from rdpass.database.statistics import statistics

from .records import WORK, network_record, record


def test_every_record_is_counted_as_what_it_is(tmp_path: Path) -> None:
    wide = replace(WORK, filters=48)
    records = [
        record(0), record(1), record(2, workload=wide), record(3, method="mca", workload=wide),
        record(4, seconds=None, failure="wrong", workload=replace(WORK, filters=64)), record(5, code="0" * 12),
        network_record(0), network_record(1),
    ]  # fmt: skip
    add_records(tmp_path, records)
    (found,) = statistics(tmp_path)
    assert (found.name, found.target, found.records) == ("rpi4", record().target, 8)
    assert (found.measured, found.estimated, found.failed, found.stale) == (3, 1, 1, 1)
    assert (found.workloads, found.networks) == (2, 2)


def test_targets_come_in_the_order_of_their_names_and_of_their_keys(tmp_path: Path) -> None:
    given = [("b", "1"), ("a", "2"), ("a", "1")]
    add_records(tmp_path, [record(target_name=name, target=key * 12) for name, key in given])
    assert [(found.name, found.target[0], found.records) for found in statistics(tmp_path)] == [
        ("a", "1", 1), ("a", "2", 1), ("b", "1", 1),
    ]  # fmt: skip


def test_damage_is_left_out_and_an_empty_folder_has_no_targets(tmp_path: Path) -> None:
    assert statistics(tmp_path / "none") == ()
    add_records(tmp_path, [record()])
    with file_of(tmp_path, record()).open("ab") as file:
        file.write(b"torn\n")
    assert [found.records for found in statistics(tmp_path)] == [1]


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
