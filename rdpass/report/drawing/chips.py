"""One kernel of a drawing: its name, a chip for every node in it, the shape it gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import GraphModule, Node

from rdpass.passes.graph.node_kinds import shape_of
from rdpass.report.drawing.labels import chip_label, module_path, times, tooltip
from rdpass.report.drawing.roles import Part, Role
from rdpass.report.drawing.rows import Row
from rdpass.report.drawing.svg import element, group, text, title

FILL: dict[Role, str] = {
    "fork": "#ffe3a8", "body": "#d8e6ff", "shortcut": "#ffc9c2", "add": "#c6efc9", "other": "#eef0f3",
}  # fmt: skip
STROKE: dict[Role, str] = {
    "fork": "#c47f00", "body": "#3d6fd6", "shortcut": "#cc2f26", "add": "#2a8a3e", "other": "#a3abb5",
}  # fmt: skip
OTHER = Part("other", False, False, "")
ROW = 22.0  # pixels
CHIP_HEIGHT = 15.0
LETTER = 6.1  # the width of one at 10.5 px, on average
NAME_LETTERS = 30
CHIPS_LIMIT = 420.0


def name_of(row: Row) -> str:
    """The module a kernel's first node came from, its beginning left out where that is long."""
    path = module_path(row.nodes[0])
    return path if len(path) <= NAME_LETTERS else f"…{path[1 - NAME_LETTERS :]}"


def chip_width(graph_module: GraphModule, node: Node) -> float:
    return 10 + LETTER * max(len(chip_label(graph_module, node)), 1)


def chips_width(graph_module: GraphModule, row: Row) -> float:
    """Of a whole row, cut off where it is very long."""
    return min(CHIPS_LIMIT + 12, sum(chip_width(graph_module, node) + 3 for node in row.nodes))


@dataclass(frozen=True)
class Chips:
    """Draws rows: names that end at ``names_end``, chips from ``x``, shapes that end at ``shapes_end``."""

    graph_module: GraphModule
    parts: dict[str, Part]
    names_end: float
    x: float
    shapes_end: float

    def draw(self, row: Row, y: float) -> str:
        """One row centred on ``y``: name, chips, shape."""
        shape = next((found for node in reversed(row.nodes) if (found := shape_of(node))), ())
        path = module_path(row.nodes[0])
        pieces = [group(title(path), text(self.names_end, y + 4, name_of(row), class_="name", text_anchor="end"))]
        left = self.x
        for node in row.nodes:
            width = chip_width(self.graph_module, node)
            if left + width > self.x + CHIPS_LIMIT:
                pieces.append(text(left + 2, y + 4, "…", class_="shape"))
                break
            pieces.append(self._chip(node, left, y, width))
            left += width + 3
        pieces.append(text(self.shapes_end, y + 4, times(shape[1:]), class_="shape", text_anchor="end"))
        return group(*pieces)

    def _chip(self, node: Node, x: float, y: float, width: float) -> str:
        part = self.parts.get(node.name, OTHER)
        top = y - CHIP_HEIGHT / 2
        dash = {"stroke_dasharray": "3 2"} if part.kept else {}
        box = element(
            "rect", x=x, y=top, width=width, height=CHIP_HEIGHT, rx=3, fill=FILL[part.role], stroke=STROKE[part.role],
            **dash,
        )  # fmt: skip
        stripe = (
            element("rect", x=x, y=top, width=4, height=CHIP_HEIGHT, rx=2, fill=STROKE["fork"]) if part.is_fork else ""
        )
        label = chip_label(self.graph_module, node)
        words = text(x + width / 2 + (2 if part.is_fork else 0), y + 4, label, class_="label", text_anchor="middle")
        return group(title(tooltip(self.graph_module, node, _described(part))), box, stripe, words, class_=part.role)


def _described(part: Part) -> str:
    if part.role == "other":
        return ""
    forks = ", and a fork" if part.is_fork else ""
    return f"{part.role} of {part.add}{' (kept)' if part.kept else ''}{forks}"
