"""The census over the zoo: python benchmarks/zoo.py [--json] [--only GLOB] [--docs docs/zoo.md]

Every model in a process of its own, bounded in time and memory; rows are kept as JSON lines, so that a sweep that was
interrupted goes on where it stopped (``--fresh`` begins anew).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.zoo_models import Entry, entries  # noqa: E402
from benchmarks.zoo_table import print_summary, write_table  # noqa: E402
from benchmarks.zoo_worker import Row, inspect_entry  # noqa: E402

Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Sweep what the cache has no row of, then print and write the table. Exit code 1 if a model crashed."""
    options = _options()
    torch.set_num_threads(1)
    rows: Rows = {} if options.fresh else _read(options.cache)
    if options.fresh:
        options.cache.unlink(missing_ok=True)
    wanted = [entry for entry in entries() if not options.only or fnmatchcase(entry.spec, options.only)]
    for index, entry in enumerate(wanted):
        if entry.spec not in rows:
            rows[entry.spec] = _bounded(entry, options.seconds, options.gigabytes)
            _append(options.cache, rows[entry.spec])
            print(f"{index + 1}/{len(wanted)} {_line(rows[entry.spec])}", file=sys.stderr, flush=True)
    found = [rows[entry.spec] for entry in wanted]
    if options.docs:
        write_table(found, options.docs)
    print(json.dumps(found, indent=1)) if options.json else print_summary(found)
    raise SystemExit(any(row["outcome"] == "crashed" for row in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--only", help="a glob on torchvision:NAME, timm:NAME, pytorchcv:NAME")
    parser.add_argument("--docs", type=Path, default=None, help="write the table to this file")
    parser.add_argument("--cache", type=Path, default=ROOT / "zoo-out" / "rows.jsonl", help="where rows are kept")
    parser.add_argument("--fresh", action="store_true", help="forget the rows that are kept")
    parser.add_argument("--seconds", type=float, default=240, help="bound of one model, processor time")
    parser.add_argument("--gigabytes", type=float, default=10, help="bound of one model's resident memory")
    return parser.parse_args()


def _bounded(entry: Entry, seconds: float, gigabytes: float) -> dict[str, Any]:
    """The row of ``entry``, from a forked process that is ended when it takes more than it may."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as out:
            json.dump(inspect_entry(entry), out)
        os._exit(0)
    os.close(write)
    reason = _wait(child, read, seconds, gigabytes)
    with os.fdopen(read) as answer:
        text = answer.read()
    if not reason and text:
        return json.loads(text)  # type: ignore[no-any-return]
    outcome = "refused" if reason else "crashed"
    return Row(entry.spec, entry.file, outcome, reason or "the process ended without an answer").__dict__


def _wait(child: int, pipe: int, seconds: float, gigabytes: float) -> str:
    """Wait for the process, or end it; the reason if it was ended. Its answer fits into the pipe.

    The bound is on the processor's time, for the machine may have other work; ten times that, it is stuck.
    """
    deadline = time.monotonic() + 10 * seconds
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        time.sleep(0.02)
        used, resident = _usage(child)
        late = used > seconds or time.monotonic() > deadline
        over = f"took more than {seconds:.0f} s" if late else ""
        if not over and resident > gigabytes:
            over = f"took more than {gigabytes:g} GB of memory"
        if over:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return over
    return ""


def _usage(process: int) -> tuple[float, float]:
    """Seconds of the processor and resident memory in GB; 0 once the process is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _read(cache: Path) -> Rows:
    lines = cache.read_text().splitlines() if cache.exists() else []
    return {row["model"]: row for row in map(json.loads, lines)}


def _append(cache: Path, row: dict[str, Any]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a") as out:
        out.write(json.dumps(row) + "\n")


def _line(row: dict[str, Any]) -> str:
    if row["outcome"] != "traced":
        return f"{row['model']}: {row['outcome']}, {row['reason'][-300:]}"
    found = f"{row['kinds']}, {row['removable']} removable, {row['seconds']} s"
    return f"{row['model']} {row['input']} {row['tracer']}: {found}"


if __name__ == "__main__":
    main()
