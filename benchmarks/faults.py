"""Deliberate faults in campaigns: how many were tried, and how many survived.

    python benchmarks/faults.py [CAMPAIGN ...] [--long] [--json]

Quick by default; ``--long`` tries as many as docs/reliability.md shows. The faults are drawn from fixed seeds. The exit
code is 1 where one did not survive; what was seen is printed to stderr.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fault_campaigns import bundles, commands, graphs, inputs, records, same_bytes, untrusted, writing
from benchmarks.fault_campaigns.trials import Tally

CAMPAIGNS: dict[str, tuple[Callable[[int, Path], Tally], int, int]] = {
    "bundles": (bundles.campaign, 40, 320),
    "inputs": (inputs.campaign, 60, 600),
    "untrusted": (untrusted.campaign, 20, 150),
    "writing": (writing.campaign, 40, 200),
    "records": (records.campaign, 20, 60),
    "graphs": (graphs.campaign, 20, 500),
    "emulated": (graphs.emulated_campaign, 4, 40),
    "bytes": (same_bytes.campaign, 4, 16),
    "commands": (commands.campaign, 20, 500),
}
"""Each with its size, quick and long."""


def main() -> int:
    options = _options()
    logging.disable()  # every one of these faults is warned of
    rows = []
    for name in options.campaigns or CAMPAIGNS:
        run, quick, long = CAMPAIGNS[name]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tally = run(long if options.long else quick, Path(folder))
        rows.append({"campaign": tally.name, "tried": tally.tried, "survived": tally.survived})
        print(
            f"{tally.name}: {tally.survived} of {tally.tried} survived, {time.monotonic() - start:.0f} s",
            file=sys.stderr,
        )
        for seen in tally.seen[: options.shown]:
            print(f"  {seen}", file=sys.stderr)
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join(f"{row['campaign']:<24} {row['survived']:>4} of {row['tried']:>4} survived" for row in rows))
    return int(any(row["tried"] != row["survived"] for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", choices=[*CAMPAIGNS, []], help=", ".join(CAMPAIGNS))
    parser.add_argument("--long", action="store_true", help="as many as the documentation shows")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--shown", type=int, default=20, help="faults that did not survive to print, of each campaign")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
