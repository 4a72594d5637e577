"""The corpus of small files: what it holds, how it counts, and every so manieth file through both readers."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import corpus
from benchmarks.corpus import CensusError, census, files, run_all, run_file, table
from benchmarks.corpus_files import graphs
from benchmarks.corpus_files.file import File, Made
from rdpass.core.errors import ConfigError, ParityError

EVERY = 61


def one(name: str) -> File:
    return next(file for file in files() if file.name == name)


def test_names_are_unique_and_every_habit_has_its_files() -> None:
    found = files()
    assert len({file.name for file in found}) == len(found) > 1000
    counts = Counter(file.habit for file in found)
    assert len(counts) > 40
    assert counts["keras"] > 10


def test_files_are_the_same_each_time() -> None:
    made = [one("keras/residual").make() for _ in range(2)]
    assert made[0].model.SerializeToString() == made[1].model.SerializeToString()
    assert all(np.array_equal(a, b) for a, b in zip(made[0].expected(), made[1].expected(), strict=True))


@pytest.mark.slow
def test_none_is_wrong_and_none_crashes() -> None:
    outcomes = list(run_all(files()[::EVERY], ("census", "host"), "host", 1))
    assert [each for each in outcomes if each.result in ("wrong", "crashed")] == []
    assert sum(not each.expected for each in outcomes) <= 1


def test_a_part_does_not_wait_for_threads_that_its_process_lacks() -> None:
    threads, file = torch.get_num_threads(), one("keras/residual")
    torch.set_num_threads(2)
    try:
        torch.ones(512, 512) @ torch.ones(512, 512)
        outcomes = [*run_file(file, {"census": census, "host": corpus.host})]
    finally:
        torch.set_num_threads(threads)
    assert [outcome.result for outcome in outcomes] == ["right", "right"]


@pytest.mark.parametrize("make", graphs.REFUSED)
def test_what_nothing_takes_is_refused_by_name(make) -> None:
    name = f"graph/{make.__name__}"
    (outcome,) = run_file(one(name), {"host": corpus.host})
    assert (outcome.result, outcome.expected) == ("refused", True), outcome.reason
    assert "'" in outcome.reason


def raising(error: Exception) -> corpus.Part:
    def part(made: Made, path: Path):
        raise error

    return part


def saying(made: Made, path: Path):
    os.write(2, b"a warning of somebody else's")
    return made.expected()


def other(made: Made, path: Path):
    return [array + 1 for array in made.expected()]


@pytest.mark.parametrize(
    ("part", "result", "reason"),
    [
        (lambda made, path: made.expected(), "right", ""),
        (other, "wrong", "output 0 differs by 1 of"),
        (lambda made, path: [], "wrong", "0 outputs for 1"),
        (raising(ConfigError("node 'a' is an If")), "refused", "node 'a' is an If"),
        (raising(ParityError("differs")), "wrong", "ParityError: differs"),
        (raising(CensusError("3 shortcuts for 2")), "wrong", "3 shortcuts"),
        (raising(KeyError("x")), "crashed", "KeyError"),
        (saying, "crashed", "right, but said: a warning of somebody else's"),
        (lambda made, path: os.abort(), "crashed", "the process ended with -6"),
    ],
)
def test_how_a_part_ends(part: corpus.Part, result: str, reason: str) -> None:
    (outcome,) = run_file(one("graph/focus"), {"host": part})
    assert outcome.result == result
    assert reason in outcome.reason
    assert outcome.expected == (result == "right")


def test_a_run_that_was_stopped_goes_on_and_habits_are_counted(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(corpus, "files", lambda: [one("plain/face"), one("graph/focus")])
    kept = tmp_path / "kept.jsonl"
    monkeypatch.setattr("sys.argv", ["corpus.py", "--parts", "census", "--keep", str(kept), "--json"])
    assert corpus.main() == 0
    before, _ = kept.read_text(), capsys.readouterr()
    monkeypatch.setattr(corpus, "run_file", None)  # nothing runs again
    assert corpus.main() == 0
    assert kept.read_text() == before
    found = json.loads(capsys.readouterr().out)
    assert found["habits"] == [
        {"habit": "plain", "files": 1, "census": {"right": 1}},
        {"habit": "odd ends", "files": 1, "census": {"right": 1}},
    ]
    assert table([]) == []


def test_the_shortcuts_of_a_network_are_counted() -> None:
    file = one("plain/residual")
    made = file.make()
    short = File(file.name, file.habit, lambda: Made(made.model, made.feed, shortcuts=3))
    (outcome,) = run_file(short, {"census": census})
    assert (outcome.result, outcome.reason[:35]) == ("wrong", "CensusError: 2 shortcuts for 3: ()")
