"""What one step of ``joint`` costs beside the passes that its paths can't do without.

    python -m benchmarks.training_step [--batch 64] [--pairs 15] [--json]

The passes, each by itself: the student forward and backward with its weights' gradients, and for every mixed path the
teacher's suffix from its cut forward and backward to the cut alone, for its weights are frozen. The step is the
engine's own: objective, checks, update. Two ratios:

* of multiply-accumulates, counted by torch's dispatcher: exact, and 1 where no pass is done twice;
* of CPU seconds of this process, one thread, the median over pairs measured in turns.

Ends with 1 where the second is above 1.15.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg
from torch.utils.flop_counter import FlopCounterMode

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fashion_mnist.resnet20 import trained
from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.cutting import ends_of_bodies
from rdpass.recipes.path_setup import path_objective
from rdpass.training.config import DistillConfig
from rdpass.training.memory_layout import training_layout
from rdpass.training.objective import Batch
from rdpass.training.request import Request
from rdpass.training.step import Stepper
from rdpass.training.world import World

LIMIT = 1.15


def suffix(teacher: GraphModule, cut: str) -> GraphModule:
    """The part of a teacher's graph that reads the node ``cut``, as a module of that one input."""
    graph, values = Graph(), dict[Node, Node]()
    for node in teacher.graph.nodes:
        if node.name == cut:
            values[node] = graph.placeholder("cut")
        elif node.op == "output":
            graph.output(map_arg(node.args[0], values.__getitem__))
        elif any(source in values for source in node.all_input_nodes):
            values[node] = graph.node_copy(node, values.__getitem__)
    return GraphModule(teacher, graph).eval()


def workloads(batch_size: int) -> tuple[Callable[[], object], Callable[[], None], list[str]]:
    """The engine's step, the bare passes, and the names of the mixed paths."""
    torch.manual_seed(0)
    example = (torch.randn(1, 1, 28, 28),)
    teacher = trace(trained(), example)
    plan = plan_of(teacher)
    config = find_recipe("joint", has_data=True).complete(DistillConfig())
    removal = Pass("remove_shortcuts", lambda module: remove_shortcuts(module, plan.removable), None)
    student = run_passes(replace(teacher, gates=()), (removal,))
    ends = ends_of_bodies(teacher, plan.removable)
    objective = path_objective(student.module, teacher, plan, Request(config=config), ends)
    layout = training_layout(objective, config.device)
    objective.to(memory_format=layout).train()  # type: ignore[call-overload]
    images = torch.randn(batch_size, 1, 28, 28).contiguous(memory_format=layout)
    labels = torch.randint(0, 10, (batch_size,))
    stepper = Stepper(objective, config, World())
    batch = Batch((images,), labels)
    objective.set_progress(0.0)

    def step() -> object:
        return stepper.take([batch], batch_size, 1e-6, 0)

    frozen = objective.teacher
    assert isinstance(frozen, GraphModule)
    cuts = find_cuts(frozen, plan.regions)[:-1]
    suffixes = [suffix(frozen, cut.node) for cut in cuts]
    maps = [torch.randn(batch_size, *cut.shape[1:]).contiguous(memory_format=layout) for cut in cuts]

    def passes() -> None:
        objective.student.zero_grad(set_to_none=True)
        _backward(objective.student(images), labels)
        for part, cut_map in zip(suffixes, maps, strict=True):
            cut_map.grad = None
            _backward(part(cut_map.requires_grad_()), labels)

    return step, passes, [cut.node for cut in cuts]


def _backward(logits: Tensor, labels: Tensor) -> None:
    nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(batch_size: int, pairs: int) -> dict[str, object]:
    """Both ratios, with what they are of."""
    step, passes, cuts = workloads(batch_size)
    for work in (step, passes, step, passes):
        work()
    counted = operations(step), operations(passes)
    timed = [(seconds(step), seconds(passes)) for _ in range(pairs)]
    ratios = sorted(one / other for one, other in timed)
    return {
        "model": "ResNet-20, 28 x 28",
        "batch": batch_size,
        "mixed_paths": cuts,
        "flops": {"step": counted[0], "passes": counted[1], "ratio": counted[0] / counted[1]},
        "cpu_seconds": {
            "step": median(one for one, _ in timed),
            "passes": median(other for _, other in timed),
            "ratio": median(ratios),
            "quartiles": [ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]],
        },
        "limit": LIMIT,
        "within": median(ratios) <= LIMIT,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(options.batch, options.pairs)
    if options.as_json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:12} {value}")
    sys.exit(0 if found["within"] else 1)


if __name__ == "__main__":
    main()
