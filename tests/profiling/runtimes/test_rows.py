"""Rows: the clock that counts, and a process of its own that gives them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from rdpass.core.errors import DeviceError
from rdpass.profiling.runtimes.rows import Row, rows_of_process, timed_row, write_rows
from rdpass.profiling.runtimes.timing import Times


def test_one_thread_is_compared_by_cpu_time_and_more_by_the_time_that_goes_by() -> None:
    times = Times(cpu=(4.0, 4.0), wall=(2.0, 2.0))
    assert timed_row("a", "plain", 1, times, 0.0).median_ms == 4
    assert timed_row("a", "plain", 1, times, 0.0).clock == "cpu"
    assert timed_row("a", "plain", 2, times, 0.0).median_ms == 2
    assert timed_row("a", "plain", 2, times, 0.0).clock == "wall"


def worker(tmp_path: Path, body: str) -> list[str]:
    script = tmp_path / "worker.py"
    script.write_text("import json, os, sys\nfrom pathlib import Path\n" + body)
    return [sys.executable, str(script)]


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [Row("a", "model", 1, 2.5, 0.1, "cpu", 1e-7), Row("b", "model", 1, reason="it isn't there")]
    write_rows(rows, tmp_path / "rows.json")
    body = f"Path(sys.argv[2]).write_text(Path({str(tmp_path / 'rows.json')!r}).read_text()); print('noise')"
    assert rows_of_process(worker(tmp_path, body), 1) == rows


def test_the_process_has_as_many_cores_as_threads(tmp_path: Path) -> None:
    body = (
        "told = [len(os.sched_getaffinity(0)), os.environ['TVM_NUM_THREADS'], os.environ['OMP_NUM_THREADS']]\n"
        "row = {'runtime': json.dumps(told), 'graph': 'model', 'threads': 1}\n"
        "Path(sys.argv[2]).write_text(json.dumps([row]))\n"
    )
    (row,) = rows_of_process(worker(tmp_path, body), 1)
    assert json.loads(row.runtime) == [1, "1", "1"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit('first\\nlast words')", r"died \(1\): last words"),
        ("os.kill(os.getpid(), 9)", r"died \(-9\): it said nothing"),
    ],
)
def test_a_process_that_dies_is_an_error_with_the_last_thing_it_said(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(DeviceError, match=f"the comparison with 2 threads {said}"):
        rows_of_process(worker(tmp_path, body), 2)
