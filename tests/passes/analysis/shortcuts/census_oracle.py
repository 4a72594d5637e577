"""What the census should find, worked out slowly and in another way.

Forks by removing nodes one at a time, sides by listing every path, linearity by running a side on sums of inputs with
several weights. For graphs of ``tests.random_graphs`` alone.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from torch import nn
from torch.fx import GraphModule, Node

DRAWS = 6
TAPS = {"conv": 9, "point": 1, "down": 9}


@dataclass(frozen=True)
class Found:
    """``reason`` is empty for a region, else a word of the reason that the census must give."""

    reason: str
    fork: str = ""
    body: frozenset[str] = frozenset()
    shortcut: frozenset[str] = frozenset()
    kind: str = ""
    verdict: str = ""


class Oracle:
    def __init__(self, module: GraphModule) -> None:
        self.module = module
        self.nodes = list(module.graph.nodes)
        self.inputs = [node for node in self.nodes if node.op == "placeholder"]
        self._draw_weights()

    def findings(self) -> dict[str, Found]:
        adds = [node for node in self.nodes if node.target is operator.add]
        return {add.name: self._find(add) for add in adds}

    def _find(self, add: Node) -> Found:
        a, b = add.args
        if not isinstance(b, Node):
            return Found("number")
        if a is b:
            return Found("same tensor")
        fork = self._fork(add)
        if fork is None:
            return Found("different inputs")
        operands = sorted((a, b), key=lambda operand: self._weight(self._side(fork, operand)), reverse=True)
        body, shortcut = (self._side(fork, operand) for operand in operands)
        if body & shortcut:
            return Found("both sides use")
        ends = min(self._resolution(fork), self._resolution(add))
        if any(self._narrowest(fork, operand) < ends for operand in operands):
            return Found("cross-scale")
        if any(user not in body | shortcut | {add} for node in body | shortcut for user in node.users):
            return Found("also used")
        return self._kind(fork, operands, body, shortcut)

    def _fork(self, add: Node) -> Node | None:
        """The last node without which no input reaches the add."""
        return next((node for node in reversed(self.nodes[: self.nodes.index(add)]) if self._cuts(node, add)), None)

    def _cuts(self, removed: Node, add: Node) -> bool:
        reached = {node for node in self.inputs if node is not removed}
        for node in self.nodes:
            if node is not removed and any(source in reached for source in node.all_input_nodes):
                reached.add(node)
        return add not in reached

    def _paths(self, fork: Node, end: Node) -> list[list[Node]]:
        """Every path, without the fork."""
        if end is fork:
            return [[]]
        return [[*path, end] for source in end.all_input_nodes for path in self._paths(fork, source)]

    def _side(self, fork: Node, operand: Node) -> set[Node]:
        return {node for path in self._paths(fork, operand) for node in path}

    def _narrowest(self, fork: Node, operand: Node) -> float:
        """Of the path that stays widest."""
        return max(min((self._resolution(node) for node in path), default=1e9) for path in self._paths(fork, operand))

    def _resolution(self, node: Node) -> int:
        return node.meta["tensor_meta"].shape[2] * node.meta["tensor_meta"].shape[3]

    def _name(self, node: Node) -> str:
        return node.name.split("_")[0] if node.op == "call_module" else ""

    def _weight(self, side: set[Node]) -> tuple[int, int, int]:
        taps = [TAPS[self._name(node)] for node in side if self._name(node) in TAPS]
        return len(taps), sum(taps), len(side)

    def _kind(self, fork: Node, operands: list[Node], body: set[Node], shortcut: set[Node]) -> Found:
        names = [self._name(node) for node in body]
        if not {"conv", "point", "down", "bn", "norm"} & set(names):
            return Found("no layer with weights")
        kind = self._shortcut_kind(fork, operands, shortcut)
        if not kind:
            return Found("fusion")
        kept = kind != "merge" and ("norm" in names or not set(TAPS) & set(names))
        return Found(
            "", fork.name, frozenset(n.name for n in body), frozenset(n.name for n in shortcut), kind,
            "kept" if kept else "removable",
        )  # fmt: skip

    def _shortcut_kind(self, fork: Node, operands: list[Node], shortcut: set[Node]) -> str:
        if all(self._is_affine(fork, operand) for operand in operands):
            return "merge"
        names = [self._name(node) or getattr(node.target, "__name__", "") for node in shortcut if not self._scale(node)]
        if self._scales(fork, operands[1]):
            return "identity"
        if set(names) <= {"identity", "average", "maximum"}:
            return "padded"
        without_pools = {node for node in shortcut if self._name(node) != "maximum"}
        linear = all(self._is_affine_step(node) for node in without_pools)
        return "projection" if linear and sum(name in TAPS for name in names) <= 2 else ""

    def _is_affine_step(self, node: Node) -> bool:
        if self._name(node):
            return self._name(node) not in ("relu", "norm", "maximum")
        return node.target is not operator.mul or self._scale(node)

    def _scale(self, node: Node) -> bool:
        return node.target is operator.mul and not isinstance(node.args[1], Node)

    def _scales(self, fork: Node, output: Node) -> bool:
        x = self._random(fork)
        y = self.run(fork, output, x)
        if y.shape != x.shape:
            return False
        ratio = y / x
        return bool(torch.allclose(ratio, ratio[:, :1, :1, :1].expand_as(ratio), atol=1e-4))

    def _is_affine(self, fork: Node, output: Node) -> bool:
        """Whatever the weights are: a ReLU is one even where all that it is given happens to be negative."""
        for _ in range(DRAWS):
            self._draw_weights()
            x, y = self._random(fork), self._random(fork)
            zero = torch.zeros_like(x)
            a, b, c, d = (self.run(fork, output, value) for value in (x + y, x, y, zero))
            if not torch.allclose(a + d, b + c, atol=1e-6 * float(1 + a.abs().max())):
                return False
        return True

    def _draw_weights(self) -> None:
        parameters = self.module.named_parameters()
        self.weights = {name: torch.randn(value.shape, dtype=torch.float64) for name, value in parameters}

    def _random(self, fork: Node) -> torch.Tensor:
        """Four times as wide as the example: on one pixel a maximum would be linear."""
        batch, channels, height, width = fork.meta["tensor_meta"].shape
        return torch.randn(batch, channels, 4 * height, 4 * width, dtype=torch.float64)

    def run(self, fork: Node, output: Node, value: torch.Tensor) -> torch.Tensor:
        """``output`` as a function of ``fork``, in double precision, by recursion."""
        if output is fork:
            return value
        args = [self.run(fork, arg, value) if isinstance(arg, Node) else arg for arg in output.args]
        if output.op == "call_module":
            layer: nn.Module = self.module.get_submodule(str(output.target))
            own = {name: self.weights[f"{output.target}.{name}"] for name, _ in layer.named_parameters()}
            with torch.no_grad():
                result = torch.func.functional_call(layer.double(), own, tuple(args))
            layer.float()
            return result
        return output.target(*args, **output.kwargs)
