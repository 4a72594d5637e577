"""A conversion's result: the student beside its teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rdpass.core.comparison import NumericGate
from rdpass.core.estimates import Compared
from rdpass.core.image_settings import ImageSettings
from rdpass.core.plan import Cost, Cut, Estimated, Merging, Outcome, Plan, Pruning

if TYPE_CHECKING:
    from rdpass.recipes.quantised_training import Int8Student


@dataclass(frozen=True)
class Conversion:
    """A student beside its teacher, and how each shortcut went: what ``convert``, ``distill`` and ``load_run`` return.

    Args:
        teacher: the model that was given; None where a run was loaded without it.
        student: a graph module in eval mode and deploy form (batch norms folded).
        plan: every add of the teacher, and the forecast.
        cuts: where teacher and student hold tensors of the same shape; empty where it was pruned.
        outcomes: how each shortcut went, in the order of ``plan.regions``.
        cost: the student's, for one inference on the example.
        gates: the comparisons that were passed on the way; errors are relative.
        history: a dict of numbers for each epoch; empty where nothing was trained.
        example: the inputs that the graph was traced on.
        recipe: its name.
        compared: figures of teacher and student on the images held out, with standard errors; empty without such.
        int8: the student in int8, where that was asked for (``quantize="int8"``): ``model``, ``report``,
            ``save(path)``.
        estimated: milliseconds and memory on one core of a board, forecast for model and plain student and of the
            student that was made, where a board was named (``target="rpi4"``).
        pruning: how it was pruned, by recipe ``prune``: widths of all layers before and after, and which had to stay.
        merging: which pairs of 1x1 convolutions became one and which stay two, where that was asked for
            (``student.merge_pairs``).
        images: how the image files were read that it learnt from (``rdpass.image_loaders``), and its classes.

    Example:
        >>> import rdpass
        >>> result = rdpass.convert(model, example, max_macs=9.0)
        >>> result.recipe, [outcome.how for outcome in result.removed]
        ('carry', ['carried', 'carried'])
        >>> result.export_onnx("exported.onnx").name
        'exported.onnx'
    """

    teacher: nn.Module | None
    student: nn.Module
    plan: Plan
    cuts: tuple[Cut, ...]
    outcomes: tuple[Outcome, ...]
    cost: Cost
    gates: tuple[NumericGate, ...]
    history: tuple[dict[str, float], ...]
    example: tuple[Tensor, ...]
    recipe: str
    compared: tuple[Compared, ...] = ()
    int8: Int8Student | None = None
    estimated: Estimated | None = None
    pruning: Pruning | None = None
    merging: Merging | None = None
    images: ImageSettings | None = None

    @property
    def removed(self) -> tuple[Outcome, ...]:
        """The outcomes of the shortcuts that are gone."""
        return tuple(outcome for outcome in self.outcomes if outcome.how != "kept")

    def export_onnx(self, path: str | Path, *, tolerance: float | None = None, force: bool = False) -> Path:
        """Write the student as simplified ONNX, checked against torch; see ``rdpass.onnx.export.export_onnx``."""
        from rdpass.onnx.export import export_onnx

        return export_onnx(self.student, self.example, path, gates=self.gates, tolerance=tolerance, force=force)
