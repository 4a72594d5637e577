"""A conversion's result: the student beside its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from rdpass.core.comparison import NumericGate
from rdpass.core.plan import Cost, Cut, Outcome, Plan


@dataclass(frozen=True)
class Conversion:
    """A student beside its teacher, and how each shortcut went.

    ``teacher`` is the model that was given, ``student`` a graph module in eval mode and deploy form (batch norms
    folded); ``cost`` is the student's. ``gates`` are the comparisons passed on the way, ``history`` the epochs.
    """

    teacher: nn.Module
    student: nn.Module
    plan: Plan
    cuts: tuple[Cut, ...]
    outcomes: tuple[Outcome, ...]
    cost: Cost
    gates: tuple[NumericGate, ...]
    history: tuple[dict[str, float], ...]
    example: tuple[Tensor, ...]
    recipe: str

    @property
    def removed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.how != "kept")

    def export_onnx(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the student as simplified ONNX, checked against torch; see ``rdpass.onnx.export.export_onnx``."""
        from rdpass.onnx.export import export_onnx

        return export_onnx(self.student, self.example, path, gates=self.gates, force=force)
