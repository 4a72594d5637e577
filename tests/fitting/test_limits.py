"""Limits from texts: what units there are, what is refused, and by how much a cost misses them."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.fitting.limits import Limits, Miss, limits_of, milliseconds, misses, words
from tests.fitting.accounts import cost


@pytest.mark.parametrize(
    ("text", "ms"),
    [("30ms", 30), ("0.5 s", 500), ("250us", 0.25), ("250µs", 0.25), ("1e2MS", 100), (".5ms", 0.5), ("2h", 7.2e6),
     ("3min", 1.8e5)],
)  # fmt: skip
def test_times_have_their_unit(text, ms):
    assert milliseconds(text, "latency", "30ms") == pytest.approx(ms)


@pytest.mark.parametrize(
    ("text", "count"), [("1MB", 1e6), ("5e6B", 5e6), ("1.5 kb", 1500), ("1MiB", 2**20), ("2KiB", 2048), ("1GB", 1e9)]
)
def test_sizes_have_theirs(text, count):
    found = limits_of(None, text, text, None)
    assert (found.peak_bytes, found.weight_bytes) == (pytest.approx(count), pytest.approx(count))


@pytest.mark.parametrize("text", ["30", "ms", "-3ms", "3 apples", "3MB", "0ms", "1e999ms", "", "nan ms", 30, 30.0])
def test_a_latency_that_is_none_is_refused_with_the_way_to_write_it(text):
    with pytest.raises(ConfigError, match=r"latency is .*(as 30ms, not|above zero)"):
        limits_of(text, None, None, None)


@pytest.mark.parametrize("text", ["1", "1M", "1Mbit", "3ms", "MB"])
def test_so_is_a_size(text):
    with pytest.raises(ConfigError, match=r"size is a number and its unit \(B, kB, MB, GB, KiB, MiB, GiB\), as 5MB"):
        limits_of(None, None, text, None)


@pytest.mark.parametrize("drop", [-0.1, float("nan"), float("inf"), "1"])
def test_so_is_a_drop(drop):
    with pytest.raises(ConfigError, match="drop is a number of at least 0"):
        limits_of(None, None, None, drop)


def test_what_exceeds_a_limit_is_told_and_what_equals_it_is_not():
    limits = limits_of("30ms", "1kB", "2kB", 0.5)
    assert misses(limits, cost("n", "int8", 30, 1000, 2000), 0.5) == ()
    assert misses(limits, cost("n", "int8", 33, 1000, 3000), None) == (
        Miss("ms", 33, 30),
        Miss("weight_bytes", 3000, 2000),
    )
    assert misses(limits, cost("n", "int8", 3), 0.6) == (Miss("drop", 0.6, 0.5),)
    assert misses(Limits(), cost("n", "int8", 33, 10**9, 10**9), 50.0) == ()


def test_misses_are_told_with_units_and_the_share_that_is_too_much():
    assert str(Miss("ms", 33, 30)) == "33 ms of 30 ms (10 % too much)"
    assert str(Miss("ms", 59.8, 30)) == "59.8 ms of 30 ms (99 % too much)"
    assert str(Miss("ms", 59.99, 30)) == "60 ms of 30 ms (100 % too much)"
    assert str(Miss("ms", 30.01, 30)) == "30 ms of 30 ms (0.033 % too much)"
    assert str(Miss("peak_bytes", 2.5e6, 1e6)) == "peak 2.5 MB of 1 MB (150 % too much)"
    assert str(Miss("drop", 0.7, 0.5)) == "drop 0.70 of 0.50"
    assert Miss("drop", 0.1, 0.0).excess == float("inf")
    assert [words("weight_bytes", 4300), words("ms", 0.00854)] == ["weights 4.3 kB", "0.00854 ms"]
