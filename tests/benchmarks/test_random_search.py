"""The suite says the same thing twice; the search says a new thing each time, and the same for the same seed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
QUICK = "tests/core/test_comparison.py::test_a_gate_passes_exactly_what_lies_within_its_tolerance"
DRAWN = """
from pathlib import Path
from hypothesis import given, settings, strategies as st

@settings(max_examples=1000)
@given(st.integers())
def test_any_number_is_noted(x):
    with (Path(__file__).parent / "drawn").open("a") as file:
        file.write(f"{x} ")

@given(st.integers())
def test_every_number_is_small(x):
    assert abs(x) < 3
"""


def searched(cwd, *arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "random_search.py"), "--json", *arguments]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("{"), ran.stderr
    return ran.returncode, json.loads(ran.stdout), ran.stderr


def test_a_property_of_the_suite_is_searched_on_a_few_new_examples():
    status, found, said = searched(ROOT, QUICK, "--examples", "7")
    assert status == 0
    assert found["properties"] == found["rounds"] == 1
    assert found["examples"] == found["examples_each"] == 7
    assert found["failures"] == []
    assert f"seed {found['seed']}" in said


def test_the_same_seed_draws_the_same_and_names_the_same_failure(tmp_path):
    (tmp_path / "test_numbers.py").write_text(DRAWN)
    drawn = []
    for seed in (5, 5, 6):
        status, found, said = searched(tmp_path, str(tmp_path), "--seed", str(seed), "--examples", "30")
        assert status == 1
        assert found["properties"] == 2
        assert found["examples"] >= 30
        (failure,) = found["failures"]
        assert failure["property"].endswith("test_numbers.py::test_every_number_is_small")
        assert failure["seed"] == seed
        assert "x=3" in said  # the smallest that fails
        drawn.append((tmp_path / "drawn").read_text().split())
        (tmp_path / "drawn").unlink()
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 30


def test_a_search_without_properties_says_so(tmp_path):
    (tmp_path / "test_none.py").write_text("def test_nothing():\n    assert True\n")
    with pytest.raises(AssertionError, match="NO_TESTS_COLLECTED"):
        searched(tmp_path, str(tmp_path))


def test_the_suite_draws_the_same_examples_on_every_run():
    drawn = []

    @settings(max_examples=20)
    @given(st.integers())
    def noted(x):
        drawn.append(x)

    noted()
    first = list(drawn)
    noted()
    assert drawn == first * 2
    assert len(set(first)) > 10
