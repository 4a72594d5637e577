"""Default tiles beside others of the tuner's space: what is counted, that the best is found, and that it goes on."""

from __future__ import annotations

import json

import pytest

from benchmarks import defaults
from benchmarks.defaults import sample
from rdpass.kernels.choice import choose_default
from rdpass.kernels.machine import machine_of
from rdpass.profiling.emulation.boards import find_board
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Rejected

NETWORK = "tests.models:small_resnet_of_four"


class Counting:
    """Instead of the emulator: the first tile of each workload takes 2/3 of its default's time, the others double."""

    method = "mca"
    tried: list = []  # noqa: RUF012

    def __init__(self, target):
        self.target = target

    def measure(self, take, check):
        known = set()
        while (trial := take()) is not None:
            self.tried.append(trial)
            yield trial, Timing(6e-6 if trial.workload in known else 2e-6, 3e-6, 1, 0.0, 0.0)
            known.add(trial.workload)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(defaults, "Estimates", Counting)
    monkeypatch.setattr(Counting, "tried", [])
    return Counting


def run(monkeypatch, capsys, database, *more):
    arguments = ["--networks", NETWORK, "--side", "8", "--target", "cortex-a72", "--precision", "float32", *more]
    monkeypatch.setattr("sys.argv", ["defaults", *arguments, "--db", str(database), "--json"])
    code = defaults.main()
    (row,) = json.loads(capsys.readouterr().out)
    return code, row


def test_defaults_are_held_against_the_best_tile_and_nothing_is_counted_twice(tmp_path, monkeypatch, capsys, counting):
    code, row = run(monkeypatch, capsys, tmp_path, "--tiles", "3", "--share", "1")
    assert code == 0
    machine = machine_of(find_board("cortex-a72"))
    works = {trial.workload for trial in counting.tried}
    assert len(counting.tried) == len(set(counting.tried)) == sum(kernel["tiles"] - 1 for kernel in row["kernels"])
    assert all(kernel["tiles"] == min(4, kernel["space"]) for kernel in row["kernels"])
    assert all(trial.tile != choose_default(trial.workload, machine) for trial in counting.tried)
    assert row["of"] >= row["workloads"] == len(works) > 2
    assert row["share"] == 1
    assert row["ratio"] == pytest.approx(1.5)
    calls = sum(kernel["calls"] for kernel in row["kernels"])
    assert (row["default_us"], row["best_us"]) == (pytest.approx(3 * calls), pytest.approx(2 * calls))
    counting.tried.clear()
    assert run(monkeypatch, capsys, tmp_path, "--tiles", "3", "--share", "1") == (0, row)
    assert counting.tried == []


def test_the_largest_workloads_come_first_and_no_others_once_the_share_is_reached(
    tmp_path, monkeypatch, capsys, counting
):
    _, row = run(monkeypatch, capsys, tmp_path, "--tiles", "2", "--share", "0.5")
    assert row["workloads"] < row["of"]
    assert 0.5 <= row["share"] < 1
    assert len(counting.tried) <= 2 * row["workloads"]


def test_wrong_numbers_are_told_and_fail(tmp_path, monkeypatch, capsys, counting):
    def measure(self, take, check):
        while (trial := take()) is not None:
            yield trial, Rejected("its numbers differ")

    monkeypatch.setattr(counting, "measure", measure)
    code, row = run(monkeypatch, capsys, tmp_path, "--tiles", "1", "--share", "0.1")
    assert code == 1
    assert row["kernels"] == []
    assert all(line.endswith("its numbers differ") for line in row["wrong"])
    assert row["wrong"]


def test_a_sample_has_the_best_looking_half_and_others_evenly_from_the_rest():
    assert sample(range(5), 0) == sample(range(5), 5) == range(5)
    assert sample(range(104), 8) == [0, 1, 2, 3, 12 + 4, 37 + 4, 62 + 4, 87 + 4]
    assert sample(range(9), 3) == [0, 1, 5]
