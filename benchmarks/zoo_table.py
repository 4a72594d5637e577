"""The sweep's rows for people: a summary on the terminal, a table in the docs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

KINDS = ("identity", "projection", "padded", "merge")
HEADER = """# The census over the zoo

Every add of {models} architectures, random weights, smallest input that each takes. Written by
`python benchmarks/zoo.py --docs docs/zoo.md`; what the columns mean:

* **tracer**: the first rung of the ladder that gave a graph which computes what the model computes.
* **identity … merge**: regions by kind, whatever their verdict; **kept**: those that stay unless they are selected.
* **other adds**: those that are no shortcut, each with a reason in the JSON.

{summary}

"""


def print_summary(rows: list[dict[str, Any]]) -> None:
    """Counts by outcome and tracer, then every model that was not traced."""
    print(summary(rows))
    for row in rows:
        if row["outcome"] != "traced":
            print(f"\n{row['model']}: {row['outcome']}: {row['reason']}")


def summary(rows: list[dict[str, Any]]) -> str:
    """One line a library, and one on second runs."""
    lines = []
    for library in dict.fromkeys(row["model"].split(":")[0] for row in rows):
        own = [row for row in rows if row["model"].startswith(f"{library}:")]
        outcomes = Counter(row["outcome"] for row in own)
        tracers = Counter(row["tracer"] for row in own if row["tracer"])
        files = len({row["file"] for row in own})
        parts = [f"{count} {outcome}" for outcome, count in outcomes.most_common()]
        rungs = ", ".join(f"{count} by {tracer}" for tracer, count in tracers.most_common())
        lines.append(f"* {library}: {len(own)} architectures of {files} files: {', '.join(parts)} ({rungs})")
    adds, regions = sum(row["adds"] for row in rows), sum(row["removable"] + row["kept"] for row in rows)
    left = sum(row["left"] for row in rows)
    lines.append(f"* {adds} adds, {regions} of them regions; in the students {left} removable regions were found")
    return "\n".join(lines)


def write_table(rows: list[dict[str, Any]], path: Path) -> None:
    """All rows as a table, then the refusals with their reasons."""
    columns = ("model", "input", "tracer", "adds", *KINDS, "removable", "kept", "other adds")
    lines = [HEADER.format(models=len(rows), summary=summary(rows)), _cells(columns), _cells(["---"] * len(columns))]
    lines[0] = lines[0].rstrip("\n") + "\n"
    for row in rows:
        if row["outcome"] == "traced":
            counts = [row["kinds"].get(kind, "") for kind in KINDS]
            others = row["adds"] - row["removable"] - row["kept"]
            lines.append(_cells([row["model"], row["input"], row["tracer"], row["adds"], *counts, row["removable"],
                                 row["kept"], others]))  # fmt: skip
    refused = [row for row in rows if row["outcome"] != "traced"]
    if refused:
        lines += ["", "## Refused", "", _cells(("model", "why")), _cells(("---", "---"))]
        lines += [_cells((row["model"], _short(row["reason"]))) for row in refused]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _cells(values: Any) -> str:
    return "| " + " | ".join(map(str, values)) + " |"


def _short(reason: str) -> str:
    """One line without what would break the table, and without paths of the machine it ran on."""
    words = [word.rpartition("/site-packages/")[2] for word in reason.split()]
    return " ".join(words).replace("|", "\\|")[:400]
