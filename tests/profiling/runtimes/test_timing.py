"""Times in turns, and what is taken of them."""

from __future__ import annotations

import pytest

from rdpass.profiling.runtimes import timing
from rdpass.profiling.runtimes.timing import interleaved, median, spread


def test_every_inference_takes_its_turns_and_one_more_untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    times = interleaved({name: lambda name=name: calls.append(name) for name in "abc"}, rounds=5)  # type: ignore[misc]
    assert {name: calls.count(name) for name in "abc"} == dict.fromkeys("abc", 5 * 4)
    assert all(len(times[name].cpu) == len(times[name].wall) == 5 * 3 for name in "abc")
    turns = [calls[index] for index in range(0, len(calls), 4)]
    assert all(set(turns[i : i + 3]) == set("abc") for i in range(0, 15, 3))
    assert len({tuple(turns[i : i + 3]) for i in range(0, 15, 3)}) > 1


def test_median_and_spread_are_of_the_middle_and_the_outer_deciles() -> None:
    values = tuple(float(value) for value in range(1, 12))
    assert median(values) == 6
    assert spread(values) == pytest.approx((10 - 2) / 6)
    assert spread((3.0, 3.0)) == 0


def test_cpu_time_is_that_of_all_threads_and_wall_time_goes_by_while_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = {"perf_counter_ns": iter(range(0, 10**9, 5_000_000)), "process_time_ns": iter(range(0, 10**9, 9_000_000))}
    for name, ticks in clocks.items():
        monkeypatch.setattr(timing.time, name, lambda ticks=ticks: next(ticks))
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    times = interleaved({"a": lambda: None}, rounds=2)["a"]
    assert times.wall == (5.0,) * 6
    assert times.cpu == (9.0,) * 6
