"""Counts of a folder's records, by target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
