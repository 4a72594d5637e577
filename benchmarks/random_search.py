"""Counterexamples looked for at random: the suite's own properties (hypothesis), each time on examples of their own.

    python -m benchmarks.random_search [TEST ...] [--json] [--seed N] [--seconds S] [--examples N]

The suite itself draws the same examples on every run. Here they come from a seed, which is printed: the same seed and
number of examples draw the same again. Rounds follow each other, each with the next seed, until the time is over; one
is always run. Properties marked slow are left out, for they are others with more examples. The exit code is 1 where a
property failed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import secrets
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
OWN_SETTINGS = "_hypothesis_internal_use_settings"  # hypothesis has no public way to give a test other settings


@dataclass(eq=False)  # pytest looks plugins up by their hash
class Tally:
    """A plugin of pytest's: it gives every property ``examples`` of them, and counts."""

    examples: int
    properties: set[str] = field(default_factory=set)
    drawn: int = 0
    failures: list[str] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None]:
        function: Any = getattr(item.obj, "__func__", item.obj)
        inner, own = function.hypothesis.inner_test, getattr(function, OWN_SETTINGS)

        @functools.wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.drawn += 1
            return inner(*args, **kwargs)

        self.properties.add(item.nodeid)
        function.hypothesis.inner_test = counted
        setattr(function, OWN_SETTINGS, settings(own, max_examples=self.examples, derandomize=False))
        try:
            return (yield)
        finally:
            function.hypothesis.inner_test = inner
            setattr(function, OWN_SETTINGS, own)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(report.nodeid)


def search(tests: list[str], seed: int, seconds: float, examples: int) -> dict[str, Any]:
    """Run the properties of ``tests`` in rounds; what was counted, each failure with the seed that repeats it."""
    since, rounds, drawn = time.monotonic(), 0, 0
    properties: set[str] = set()
    failures: list[dict[str, Any]] = []
    while not rounds or time.monotonic() - since < seconds:
        tally = run_round(tests, seed + rounds, examples)
        failures += [{"property": name, "seed": seed + rounds} for name in tally.failures]
        properties |= tally.properties
        drawn += tally.drawn
        rounds += 1
    spent = round(time.monotonic() - since, 1)
    counts = {"properties": len(properties), "examples": drawn, "failures": failures}
    return {"seed": seed, "rounds": rounds, "seconds": spent, "examples_each": examples, **counts}


def run_round(tests: list[str], seed: int, examples: int) -> Tally:
    """Every property once; what pytest says goes to stderr.

    Raises:
        SystemExit: pytest could not run them, or there are none.
    """
    print(f"seed {seed}", file=sys.stderr, flush=True)
    tally = Tally(examples)
    options = ["-q", "-m", "hypothesis and not slow", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported here already
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main([*tests, *options, f"--hypothesis-seed={seed}"], plugins=[tally])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not tally.failures:
        raise SystemExit(f"pytest ended with {status!r}")
    return tally


def main() -> int:
    """Print the counts, and the command that repeats each failure; whether there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=[str(ROOT / "tests")], help="files, folders or test ids")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--seed", type=int, help="the first round's; by default a new one")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin further rounds for so long")
    parser.add_argument("--examples", type=int, default=20, help="how many for each property in a round")
    options = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "search"
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    found = search(options.tests, seed, options.seconds, options.examples)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        drawn = f"{found['examples']} examples of {found['properties']} properties in {found['rounds']} rounds"
        print(f"seed {seed}: {drawn}, {len(found['failures'])} failures")
        for each in found["failures"]:
            again = f"'{each['property']}' --seed {each['seed']} --examples {options.examples}"
            print(f"failed: python -m benchmarks.random_search {again}")
    return int(bool(found["failures"]))


if __name__ == "__main__":
    sys.exit(main())
