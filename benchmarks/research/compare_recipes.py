"""Which recipe gives the best plain network, on narrow ResNets and small images, through the public interface.

    python -m benchmarks.research.compare_recipes --block bottleneck --n 3 --seeds 0 1 2 --json
    python -m benchmarks.research.compare_recipes --summary

Every run adds a line to ``--results``; what is there already is not run again, so an interrupted comparison goes on.
Teachers have 12 epochs, students 8, equal steps in every arm; the last epoch counts. Accuracies are on 5600 images
that nothing was trained on or picked by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import rdpass
from benchmarks.research.arms.recipe_arm import FADE
from benchmarks.research.processor import processor_name
from benchmarks.research.small_resnets import CONVOLUTIONS, Block, depth, small_images
from benchmarks.research.small_teachers import small_teacher
from rdpass.training.config import DistillConfig
from rdpass.training.evaluation import accuracy

EPOCHS = 8
RESULTS = Path(__file__).with_name("results") / "recipes.jsonl"
MIXED, UNMIXED = {"mixed": True}, {"mixed": False}

# arm: (recipe, settings); where no fade is said it is FADE, what else is not said is the recipe's own default
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "migrate, fade .5": ("migrate", {"paths": MIXED, "fade": 0.5}),
    "migrate stage + mixed": ("migrate", {"paths": MIXED}),
    "migrate stage": ("migrate", {"paths": UNMIXED}),
    "migrate block + mixed": ("migrate", {"student": {"stream": "block"}, "paths": MIXED}),
    "migrate first + mixed": ("migrate", {"student": {"stream": "first"}, "paths": MIXED}),
    "migrate 3x3 only + mixed": ("migrate", {"student": {"stream": "off"}, "paths": MIXED}),
    "migrate linear + mixed": ("migrate", {"student": {"growth": "linear"}, "paths": MIXED}),
    "migrate linear": ("migrate", {"student": {"growth": "linear"}, "paths": UNMIXED}),
    "migrate stage + mixed, lr .1": ("migrate", {"lr": 0.1, "paths": MIXED}),
    "anneal + mixed": ("anneal", {"paths": MIXED}),
    "anneal": ("anneal", {"paths": UNMIXED}),
    "migrate, fade .5, clipped": ("migrate", {"paths": MIXED, "fade": 0.5, "clip": 1.0}),
    "migrate, fade .5, unmixed, clipped": ("migrate", {"paths": UNMIXED, "fade": 0.5, "clip": 1.0}),
    "anneal + mixed, clipped": ("anneal", {"paths": MIXED, "clip": 1.0}),
    "joint warm": ("joint", {}),
    "joint dirac": ("joint", {"student": {"initialise": "dirac"}}),
    "kd warm": ("kd", {}),
    "kd cold": ("kd", {"student": {"initialise": "random"}}),
    "plain cold": ("plain", {"student": {"initialise": "random"}}),
}
FIRST = ["migrate, fade .5", "migrate stage + mixed", "anneal + mixed"]
BY_DEFAULT = {
    "bottleneck": [
        *FIRST, "migrate first + mixed", "migrate stage", "migrate 3x3 only + mixed", "anneal", "migrate block + mixed",
    ],
    "inverted": [*FIRST, "kd warm", "migrate stage"],
    "preactivation": [*FIRST, "kd warm", "migrate stage"],
    "gated": [*FIRST, "kd warm", "migrate stage"],
    "unnormalised": ["migrate, fade .5, clipped", "anneal + mixed, clipped", "migrate, fade .5, unmixed, clipped"],
    "basic": [*FIRST, "migrate linear + mixed", "migrate stage", "migrate linear"],
}  # fmt: skip


def compare(block: Block, n: int, seed: int, arm: str, folder: Path) -> dict[str, Any]:
    """One arm on one network: train, settle, measure."""
    recipe, settings = ARMS[arm]
    teacher = small_teacher(block, n, seed, folder)
    train, held = small_images(block, seed)
    config = DistillConfig(**{"epochs": EPOCHS, "seed": seed, "fade": FADE, **settings})
    started = time.process_time()
    result = rdpass.convert(teacher, held[0][0][:1], recipe=recipe, train=train, config=config, show_progress=False)
    took = time.process_time() - started
    taught, learnt = accuracy(teacher, held), accuracy(result.student, held)
    return {
        "block": block,
        "depth": depth(block, n),
        "seed": seed,
        "arm": arm,
        "recipe": recipe,
        "settings": settings,
        "epochs": EPOCHS,
        "teacher": round(taught, 2),
        "student": round(learnt, 2),
        "gap": round(taught - learnt, 2),
        "loss": round(result.history[-1]["loss"], 4),
        "removed": len(result.removed),
        "macs": result.cost.macs,
        "peak_activation_bytes": result.cost.peak_activation_bytes,
        "gate": max(gate.error for gate in result.gates),
        "cpu_seconds": round(took, 1),
        "device": "cpu",
        "processor": processor_name(),
    }


def recorded(path: Path) -> list[dict[str, Any]]:
    """The lines that are there, a torn last one left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def missing(options: argparse.Namespace) -> Iterator[tuple[int, str]]:
    deep = depth(options.block, options.n)
    done = {(r["block"], r["depth"], r["seed"], r["arm"]) for r in recorded(options.results)}
    for arm in options.arms or BY_DEFAULT[options.block]:
        for seed in options.seeds:
            if (options.block, deep, seed, arm) not in done:
                yield seed, arm


def net_of(record: dict[str, Any]) -> tuple[str, int, str]:
    return record["block"], record["depth"], record.get("processor", "")


def summary(records: list[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table of gaps to the teacher per network and arm, mean ± sd over the seeds, best first.

    Lines of two processors stand apart: the same seeds give other teachers there.
    """
    for net in sorted({net_of(record) for record in records}):
        rows = [record for record in records if net_of(record) == net]
        taught = {record["seed"]: record["teacher"] for record in rows}
        place = f" on {net[2]}" if net[2] else ""
        teachers = ", ".join(f"{taught[seed]:.2f}" for seed in sorted(taught))
        yield f"\n{net[0]}, depth {net[1]}{place}; teachers: {teachers} %\n"
        yield "| arm | gap per seed | mean ± sd | last loss |\n|---|---|---|---|"
        arms = {arm: [r for r in rows if r["arm"] == arm] for arm in {record["arm"] for record in rows}}
        for arm, runs in sorted(arms.items(), key=lambda item: statistics.mean(r["gap"] for r in item[1])):
            gaps = [record["gap"] for record in sorted(runs, key=lambda record: record["seed"])]
            spread = f" ± {statistics.stdev(gaps):.2f}" if len(gaps) > 1 else ""
            loss = statistics.mean(record["loss"] for record in runs)
            listed = ", ".join(f"{gap:.2f}" for gap in gaps)
            yield f"| {arm} | {listed} | {statistics.mean(gaps):.2f}{spread} | {loss:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", choices=CONVOLUTIONS, default="bottleneck")
    parser.add_argument("--n", type=int, default=3, help="blocks in each of the three stages")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="some of the arms; else those of the documentation")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--teachers", type=Path, default=Path("small-teachers"), help="where trained teachers are kept")
    parser.add_argument("--json", action="store_true", help="print each new line")
    parser.add_argument("--summary", action="store_true", help="print the table of what is recorded, run nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.summary:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        for seed, arm in missing(options):
            record = compare(options.block, options.n, seed, arm, options.teachers)
            with options.results.open("a") as results:
                results.write(json.dumps(record) + "\n")
            if options.json:
                print(json.dumps(record), flush=True)
    if not options.json:
        print("\n".join(summary(recorded(options.results))))


if __name__ == "__main__":
    main()
