"""Whatever happens to a folder of records: nothing crashes, every intact record survives, and it takes new ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.database.best import read_best
from rdpass.database.checksum import FORMAT, checksum
from rdpass.database.folder import LOCK, add_records, read_records
from rdpass.database.record import NetworkRecord, Record
from rdpass.database.record_line import write_record
from rdpass.database.repair import check, merge, repair
from rdpass.database.statistics import statistics
from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.machine import machine_of

from .records import RPI4, WORK, network_record, record
from .spoiling import KEPT, Fault, after, between


def _forged(**changes: object) -> Fault:
    """A line of legal JSON that says something else than its checksum does."""
    body = json.loads(write_record(record(9)))
    return between(json.dumps({**body, **changes}).encode() + b"\n")


def _signed(of: Record | NetworkRecord | None = None, **changes: object) -> Fault:
    """A line whose checksum fits, and whose content is none of a record's."""
    body = {key: value for key, value in json.loads(write_record(of or record(9))).items() if key != "sha256"}
    body |= changes
    return between(json.dumps({**body, "sha256": checksum(body)}).encode() + b"\n")


def _nested(levels: int) -> dict[str, object]:
    """A tile in a tile in a tile, and so on."""
    tile: dict[str, object] = TILE
    for _ in range(levels):
        tile = {"kind": "ApartTile", "first": tile, "second": TILE}
    return tile


def _lists(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


WORKLOAD, TILE = (json.loads(write_record(record(9)))[name] for name in ("workload", "tile"))
LINE, NETWORK_LINE = write_record(record(9)), write_record(network_record())
DAMAGE: dict[str, Fault] = {
    "a torn last line": after(LINE[:80]),
    "a last line without its newline's record": after(LINE[:-2]),
    "a torn line within": between(LINE[: len(LINE) // 2] + b"\n"),
    "two lines run together": between(LINE[:-1] + LINE),
    "a blank line": between(b"\n"),
    "blanks and tabs": between(b" \t \r\n"),
    "random bytes": between(bytes(range(256)) * 3 + b"\n"),
    "zeros, as a file system leaves them after a crash": after(b"\0" * 4096),
    "invalid UTF-8": between(LINE.replace(b"rpi4", b"rpi\xff")),
    "a byte order mark in front": lambda path: path.write_bytes(b"\xef\xbb\xbf" + LINE + path.read_bytes()),
    "one digit changed": between(LINE.replace(b'"repeats":10', b'"repeats":11')),
    "a wrong checksum": _forged(sha256="0123456789abcdef"),
    "no checksum": _forged(sha256=None),
    "a negative time": _signed(seconds=-1.0),
    "a time of zero": _signed(default_seconds=0.0),
    "a time beside a failure": _signed(failure="wrong numbers"),
    "a time that is a word": _signed(seconds="fast"),
    "a time that is true": _signed(seconds=True),
    "NaN for a time": between(LINE.replace(b'"seconds":0.001', b'"seconds":NaN')),
    "infinity for a time": between(LINE.replace(b'"seconds":0.001', b'"seconds":1e999')),
    "neither time nor failure": _signed(seconds=None),
    "an unknown method": _signed(method="guess"),
    "a future format": _signed(format=FORMAT + 1),
    "a workload of an unknown kind": _signed(workload={"kind": "Attention"}),
    "a tile with a field too many": _signed(tile={"kind": "PointwiseTile", "colour": 1}),
    "a tile that lacks a field": _signed(tile={"kind": "PointwiseTile", "pixels": 1}),
    "a workload that is a list": _signed(workload=[1, 2]),
    "a key that is no text": _signed(target=17),
    "JSON that is no object": between(b"[1, 2, 3]\n"),
    "JSON of endless brackets": between(b"[" * 30000 + b"\n"),
    "a number of endless digits": between(b"9" * 30000 + b"\n"),
    "a line of four megabytes": between(b'{"code": "' + b"x" * (4 << 20) + b'"}\n'),
    "a line of four megabytes at the end": after(b"y" * (4 << 20)),
    "a torn line of a network": after(NETWORK_LINE[: len(NETWORK_LINE) // 2]),
    "a network whose key is no text": _signed(network_record(), network=5),
    "a network whose tiles are no list": _signed(network_record(), tiles="all"),
    "a network whose tiles are no pairs": _signed(network_record(), tiles=[[1, 2, 3]]),
    "a network whose tiles have no workloads": _signed(network_record(), tiles=[[None, None]]),
    "a network in no time": _signed(network_record(), seconds=0.0),
    "a time of 401 digits": _signed(seconds=10**400),
    "a time of 31 years": _signed(default_seconds=1e9),
    "a time that no clock tells": _signed(seconds=1e-300),
    "a time of a network of 401 digits": _signed(network_record(), default_seconds=10**400),
    "repeats of 401 digits": _signed(repeats=10**400),
    "half a repeat": _signed(repeats=2.5),
    "a spread of 401 digits": _signed(spread=-(10**400)),
    "a negative spread": _signed(spread=-0.5),
    "a failure of a megabyte": _signed(failure="x" * 200_000, seconds=None, default_seconds=None),
    "a tile 500 deep": _signed(tile=_nested(500)),
    "a tile 50 deep": _signed(tile=_nested(50)),
    "a workload 900 deep, of lists": _signed(workload=_lists(900)),
    "tiles of a network 500 deep": _signed(network_record(), tiles=[[_nested(500), _nested(500)]]),
    "a tile of words": _signed(tile={**TILE, "pixels": "four"}),
    "a tile of huge numbers": _signed(tile={**TILE, "pixels": 10**400}),
    "a tile of halves": _signed(tile={**TILE, "pixels": 1.5}),
    "a tile that is true": _signed(tile={**TILE, "pixels": True}),
    "a workload of huge numbers": _signed(workload={**WORKLOAD, "channels": 1 << 40}),
    "a workload of words": _signed(workload={**WORKLOAD, "channels": "many"}),
    "a workload with a list for a number": _signed(workload={**WORKLOAD, "channels": [1]}),
    "a name that clears the screen": _signed(target_name="\x1b[2J"),
    "a name of a kilobyte": _signed(target_name="x" * 1000),
    "no name": _signed(target_name=""),
    "a key of a kilobyte": _signed(target="x" * 1000),
    "a network's key of a kilobyte": _signed(network_record(), network="x" * 1000),
    "carriage returns": lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + LINE[:9]),
}


@pytest.mark.parametrize("fault", DAMAGE.values(), ids=DAMAGE.keys())
def test_every_intact_record_survives_and_new_ones_are_added(
    fault: Fault, spoiled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = spoiled.parent
    fault(spoiled)
    damaged = spoiled.read_bytes()
    assert read_records(folder) == KEPT
    assert run(["db", "check", str(folder), "--json"]) == 8
    report = json.loads(capfd.readouterr().out)
    assert report["records"] == len(KEPT)
    assert {finding["file"] for finding in report["findings"]} == {spoiled.name}
    assert spoiled.read_bytes() == damaged
    add_records(folder, [record(20)])
    assert read_records(folder) == [*KEPT, record(20)]
    before = repair(folder)
    assert before.findings
    assert check(folder).findings == ()
    assert read_records(folder) == [*KEPT, record(20)]
    assert spoiled.read_bytes() == b"".join(map(write_record, [*KEPT, record(20)]))


def test_records_of_networks_are_kept_repaired_merged_and_counted_as_others(
    spoiled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = spoiled.parent
    tile = rank_tiles(WORK, machine_of(RPI4))[1].tile
    networks = [network_record(number, tiles=((WORK, tile),)) for number in range(2)]
    add_records(folder, [*networks, networks[0], network_record(2, code="0" * 12)])
    between(b"torn\n")(spoiled)
    repair(folder)
    assert read_records(folder) == KEPT
    assert merge(folder / "other", [folder]) == len(KEPT) + 3
    for kept in (folder, folder / "other"):
        assert check(kept).records == len(KEPT) + 3
        assert list(read_best(kept, RPI4).networks) == networks
    assert run(["db", "stats", str(folder), "--json"]) == 0
    (rpi4,) = json.loads(capfd.readouterr().out)
    assert rpi4.items() >= {"records": len(KEPT) + 3, "measured": len(KEPT), "networks": 2, "stale": 1}.items()


def test_records_of_other_kernels_are_no_damage_whatever_workloads_those_had(spoiled: Path) -> None:
    folder = spoiled.parent
    body = {key: value for key, value in json.loads(write_record(record(9))).items() if key != "sha256"}
    body |= {"code": "0" * 12, "workload": {"kind": "Attention", "heads": 8}, "tile": {"kind": "HeadTile", "old": 1}}
    old = json.dumps({**body, "sha256": checksum(body)}).encode() + b"\n"
    between(old)(spoiled)
    assert read_records(folder) == KEPT
    assert check(folder).is_sound
    assert check(folder).records == len(KEPT) + 1
    after(b"torn")(spoiled)
    repair(folder)
    assert old in spoiled.read_bytes()
    assert merge(folder / "other", [folder]) == len(KEPT) + 1
    assert check(folder / "other").records == len(KEPT) + 1


STRANGERS: dict[str, Fault] = {
    "no lock": lambda path: (path.parent / LOCK).unlink(),
    "an index of some other database": lambda path: (path.parent / "database_workload.json").write_text("[}"),
    "a folder where a file should be": lambda path: (path.parent / "a-b.jsonl").mkdir(),
    "a pipe where a file should be": lambda path: os.mkfifo(path.parent / "a-b.jsonl"),
    "a link to nowhere": lambda path: (path.parent / "a-b.jsonl").symlink_to("nowhere"),
    "a link to itself": lambda path: (path.parent / "a-b.jsonl").symlink_to("a-b.jsonl"),
    "an empty file": lambda path: (path.parent / "a-b.jsonl").touch(),
    "a renamed file": lambda path: path.rename(path.with_name("renamed.jsonl")) and None,
}


@pytest.mark.parametrize("fault", STRANGERS.values(), ids=STRANGERS.keys())
def test_what_does_not_belong_in_the_folder_is_left_alone(fault: Fault, spoiled: Path) -> None:
    folder = spoiled.parent
    fault(spoiled)
    names = {path.name for path in folder.iterdir()}
    assert read_records(folder) == KEPT
    check(folder)
    add_records(folder, [record(20)])
    assert sorted(map(repr, read_records(folder))) == sorted(map(repr, [*KEPT, record(20)]))
    repair(folder)
    assert {path.name for path in folder.iterdir()} >= names


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_read(spoiled: Path) -> None:
    spoiled.parent.chmod(0o555)
    try:
        assert read_records(spoiled.parent) == KEPT
        assert check(spoiled.parent).is_sound
        with pytest.raises(ConfigError, match="can't be written"):
            repair(spoiled.parent)
    finally:
        spoiled.parent.chmod(0o755)


def test_a_place_that_can_not_be_a_folder_is_an_error_and_none_there_is_an_empty_one(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none") == []
    (tmp_path / "file").write_text("hello")
    with pytest.raises(ConfigError, match="can't be read"):
        read_records(tmp_path / "file")
    with pytest.raises(ConfigError, match="can't be written"):
        add_records(tmp_path / "file", [record()])
    for work in (check, repair):
        with pytest.raises(ConfigError, match="is no database"):
            work(tmp_path / "none")
    with pytest.raises(ConfigError, match="is no database"):
        merge(tmp_path, [tmp_path / "none"])


SENSELESS: dict[str, dict[str, object]] = {
    "negative channels": {"channels": -16},
    "no channels": {"channels": 0, "filters": 0},
    "no groups": {"groups": 0},
    "negative groups": {"groups": -1},
    "a negative batch": {"batch": -1},
    "no height": {"height": 0},
    "a kernel of nothing": {"kernel": [0, 0]},
    "a kernel larger than the map": {"kernel": [99, 99]},
    "a stride of nothing": {"stride": [0, 0]},
    "a negative stride": {"stride": [-1, -1]},
    "as large as a field may be": {"channels": 1 << 26, "filters": 1 << 26, "height": 1 << 26, "width": 1 << 26},
}


@pytest.mark.parametrize("changes", SENSELESS.values(), ids=SENSELESS)
def test_a_workload_that_makes_no_sense_is_no_hindrance_to_those_that_do(
    changes: dict[str, object], spoiled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whether it is set aside when it is read or when a tile is chosen: the others are there, and nothing ends."""
    expected = read_best(spoiled.parent, RPI4)
    assert changes.keys() <= WORKLOAD.keys()
    _signed(workload={**WORKLOAD, **changes})(spoiled)
    _signed(network_record(), tiles=[[{**WORKLOAD, **changes}, TILE]])(spoiled)
    found = read_best(spoiled.parent, RPI4)
    assert {work: found.best[work] for work in expected.best} == dict(expected.best)
    for command in ("check", "stats", "repair", "stats"):
        assert run(["db", command, str(spoiled.parent)]) in (0, 8)
    capfd.readouterr()
    again = read_best(spoiled.parent, RPI4)
    assert {work: again.best[work] for work in expected.best} == dict(expected.best)


@pytest.mark.parametrize("name", ["[red]rpi4[/]", "[/]", "[link=http://x]y", "rpi4 | sh", "a\u202eb"])
def test_names_are_text_and_no_markup(name: str, spoiled: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _signed(target_name=name)(spoiled)
    assert run(["db", "stats", str(spoiled.parent)]) == 0
    shown = capfd.readouterr().out
    assert name in shown or not name.isprintable()
    assert "\x1b" not in shown


@pytest.mark.slow
def test_random_changes_of_a_record_end_nothing(tmp_path: Path) -> None:
    """Any value at any place of a record whose checksum fits: it is read, or it is set aside."""
    random = Random(0)
    values = [None, True, -1, 0, 1 << 70, 10**400, 1.5, 1e308, "", "x", "\x1b[2J", [], [[]], {},
              {"kind": "Convolution"}, _nested(30), _lists(30), TILE, WORKLOAD]  # fmt: skip
    for number in range(150):
        body = json.loads(LINE if number % 2 else NETWORK_LINE)
        del body["sha256"]
        _change(body, random, values)
        line = json.dumps({**body, "sha256": checksum(body)}).encode() + b"\n"
        folder = tmp_path / str(number)
        add_records(folder, KEPT)
        (folder / "forged.jsonl").write_bytes(line)
        assert len(read_records(folder)) in (len(KEPT), len(KEPT) + 1)
        assert read_best(folder, RPI4).best
        check(folder)
        statistics(folder)


def _change(value: Any, random: Random, values: list[Any]) -> None:
    """Put one of ``values`` somewhere into an object or list."""
    key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if isinstance(value[key], dict | list) and value[key] and random.random() < 0.8:
        _change(value[key], random, values)
    else:
        value[key] = random.choice(values)
