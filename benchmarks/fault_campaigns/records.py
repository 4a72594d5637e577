"""Folders of tuning records: hostile lines whose checksum fits, torn files, writers that are killed, two at once.

A trial survives if every intact record is read afterwards, another can be added, and nothing ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fault_campaigns.trials import Tally, mutated
from rdpass.database.best import read_best
from rdpass.database.checksum import checksum
from rdpass.database.folder import add_records, read_records
from rdpass.database.keys import code_key, target_key
from rdpass.database.record import Record
from rdpass.database.record_line import write_record
from rdpass.database.repair import check
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.workload import Convolution
from rdpass.targets.lookup import find_target

BOARD = find_target("rpi4")
KEPT = tuple(
    Record(
        target=target_key(BOARD), target_name="rpi4", code=code_key(), method="rpc", seconds=1e-4 * (1 + number),
        default_seconds=1.0, repeats=10, workload=Convolution(1, 16, 24, 6, 6, (1, 1)),
        tile=PointwiseTile(1 + number, 1, 36, 1),
    )
    for number in range(4)
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 70, 10**400, 1.5, 1e308, "", "x" * 5000, "\x1b[2J", "[/]", [], [[]], {},
)  # fmt: skip


def campaign(size: int, folder: Path) -> Tally:
    """About ``size`` faults, every fifth of them a writer that is killed beside another."""
    tally, random = Tally("tuning records"), Random(4)
    for number in range(size):
        place = folder / "db"
        shutil.rmtree(place, ignore_errors=True)
        add_records(place, KEPT)
        what, expected = _spoil(place, number, random)
        tally.count(_is_sound(place, expected), what)
    return tally


def _spoil(place: Path, number: int, random: Random) -> tuple[str, int]:
    """What was done, and how many records have to be there."""
    if number % 5 == 0:
        _killed(place, random)
        return "two writers, one killed", len(KEPT)
    if number % 5 == 1:
        (place / "torn.jsonl").write_bytes(mutated(write_record(KEPT[0]) * 2, random))
        return "a torn file", len(KEPT)
    body = {key: value for key, value in json.loads(write_record(KEPT[0])).items() if key != "sha256"}
    what = _change(body, random)
    (place / "forged.jsonl").write_text(json.dumps({**body, "sha256": checksum(body)}) + "\n")
    return what, len(KEPT)


def _change(body: Any, random: Random) -> str:
    key = random.choice(list(body) if isinstance(body, dict) else range(len(body)))
    if isinstance(body[key], dict | list) and body[key] and random.random() < 0.7:
        return _change(body[key], random)
    body[key] = random.choice(VALUES)
    return f"{key} is {str(body[key])[:40]!r}"


def _killed(place: Path, random: Random) -> None:
    """Two processes add records; one is killed while it does."""
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            for number in range(10_000):
                add_records(place, [replace(KEPT[0], seconds=1e-3 * (1 + number))])
            os._exit(0)
        children.append(child)
    time.sleep(random.uniform(0.01, 0.1))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _is_sound(place: Path, expected: int) -> bool:
    try:
        add_records(place, [replace(KEPT[0], seconds=5.0)])
        found = read_records(place)
        check(place)
        return len(found) > expected and all(record in found for record in KEPT) and bool(read_best(place, BOARD).best)
    except Exception:  # that is what is looked for
        return False
