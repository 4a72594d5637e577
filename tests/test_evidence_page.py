"""docs/evidence.md is what its lines give: no table or count in it is older than they are."""

import json
import shutil
from pathlib import Path

from benchmarks.accuracy_grids.command import DOCUMENT, RESULTS
from benchmarks.accuracy_grids.grids import GRIDS
from benchmarks.accuracy_report.document import write_report

WANTED = {"id", "arm", "recipe", "form", "net", "depth", "seed", "accuracy", "validation", "teacher_accuracy", "epochs",
          "steps", "macs", "peak_bytes", "device", "seconds", "versions"}  # fmt: skip


def test_the_page_is_the_report_of_the_committed_lines(tmp_path):
    copied = tmp_path / DOCUMENT.name
    shutil.copyfile(DOCUMENT, copied)
    write_report(copied, RESULTS, tmp_path / "img")
    assert copied.read_text() == DOCUMENT.read_text(), "python benchmarks/accuracy.py --report"
    drawn = {path.name for path in (tmp_path / "img").glob("*.svg")}
    assert drawn <= {path.name for path in (DOCUMENT.parent / "img").glob("*.svg")}


def test_every_line_is_whole_and_of_its_files_grid():
    for name in GRIDS:
        path = Path(RESULTS / f"{name}.jsonl")
        for text in path.read_text().splitlines() if path.exists() else ():
            record = json.loads(text)
            assert record["grid"] == name
            assert set(record) >= WANTED
