"""Outputs that can't be written, or are damaged later: each system call of a write failed once, kills, flipped bits.

A trial survives if the old output or the new one is there, whole, and nothing else; a damaged checkpoint is passed over
for the one before. Calls are failed with strace, where there is one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random

from benchmarks.fault_campaigns.trials import Tally, mutated, ran
from rdpass.core.errors import RdpassError
from rdpass.training.checkpoint import load_checkpoint, previous, save_checkpoint

CALLS = ("openat", "write", "fsync", "renameat2", "mkdir", "unlinkat", "chmod", "flock", "rmdir", "newfstatat")
FAULTS = ("error=ENOSPC", "error=EIO", "signal=SIGKILL")
WRITES = """
import sys
from pathlib import Path
from rdpass.core.errors import RdpassError
from rdpass.core.files import new_folder, tidy_up
place = Path(sys.argv[1])
if sys.argv[2] == "tidy":
    tidy_up(place)
    sys.exit()
print("begin", flush=True)
try:
    with new_folder(place, force=True, written=lambda folder: {"a", "b/c"}) as folder:
        (folder / "b").mkdir()
        (folder / "a").write_text("new")
        (folder / "b" / "c").write_text("new")
except (RdpassError, OSError):
    sys.exit(2)
"""


def campaign(size: int, folder: Path) -> Tally:
    """About ``size`` faults, half of them in checkpoints."""
    tally = Tally("writing and checkpoints")
    _checkpoints(tally, size // 2, folder)
    if shutil.which("strace") is not None:
        _folders(tally, size - tally.tried, folder)
    return tally


def _checkpoints(tally: Tally, size: int, folder: Path) -> None:
    random, path = Random(3), folder / "checkpoint.pt"
    for _ in range(size):
        for number in (1, 2):
            save_checkpoint(path, {"number": number})
        newest = path.read_bytes()
        path.write_bytes(mutated(newest, random))
        expected = 2 if path.read_bytes() == newest else 1
        try:
            found = load_checkpoint(path)["number"]
        except RdpassError as error:
            found = str(error)
        tally.count(found == expected, f"a damaged checkpoint: {found}")
        for place in folder.glob("checkpoint*"):
            place.unlink()
    assert not previous(path).exists()


def _folders(tally: Tally, size: int, folder: Path) -> None:
    """Every call of each kind fails once in each way, those of the end first, until ``size`` were tried."""
    script = folder / "writes.py"
    script.write_text(WRITES)
    faults = [(call, number, fault) for call in CALLS for number in _numbers(folder, script, call) for fault in FAULTS]
    for call, number, fault in sorted(faults, key=lambda each: -each[1])[:size]:
        tally.count(*_try(folder, script, call, number, fault))


def _numbers(folder: Path, script: Path, call: str) -> range:
    """Which of the process's calls belong to writing, and not to the start of Python."""
    place, traced = _old_output(folder), folder / "trace"
    ran(["strace", "-qq", "-o", traced, "-e", f"trace={call},write", *_command(script, place, "write")])
    lines = traced.read_text().splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith('write(1, "begin'))
    before = sum(line.startswith(f"{call}(") for line in lines[: begin + 1])
    return range(before + 1, before + 1 + sum(line.startswith(f"{call}(") for line in lines[begin + 1 :]))


def _try(folder: Path, script: Path, call: str, number: int, fault: str) -> tuple[bool, str]:
    place = _old_output(folder)
    inject = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject={call}:{fault}:when={number}"]
    code, said = ran([*inject, *_command(script, place, "write")])
    ran(_command(script, place, "tidy"))
    left = sorted(str(path.relative_to(place.parent)) for path in place.parent.rglob("*"))
    whole = left in (["out", "out/a"], ["out", "out/a", "out/b", "out/b/c"])
    whole = whole and (place / "a").read_text() == ("old" if len(left) == 2 else "new")
    return whole, f"{call} {number} {fault}: {code} {said} {left}"


def _old_output(folder: Path) -> Path:
    shutil.rmtree(folder / "write", ignore_errors=True)
    place = folder / "write" / "out"
    place.mkdir(parents=True)
    (place / "a").write_text("old")
    return place


def _command(script: Path, place: Path, deed: str) -> list[str | Path]:
    return [sys.executable, "-B", script, place, deed]
