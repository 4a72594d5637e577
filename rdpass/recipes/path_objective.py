"""The loss over all paths: the student's own, and from each cut one through the teacher's later stages.

    loss = scale * [ (1 - alpha) CE(own) + alpha T^2 KL(teacher || own)
                     + m(e) sum over mixed paths of CE + lambda (D(own) + m(e) sum over mixed paths of D) ]

scale = 1 / (number of paths) where ``average`` asks for it (JointRD's 1/4), D the feature loss. A mixed path without
targets is measured by its distance from the teacher's output. The student's features are computed once; the gradient
of a mixed path reaches them through the teacher's suffix, which stays in eval mode and whose parameters it leaves
alone. Where the teacher is trained along, its own task loss alone moves it, and it shows all paths its latest weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from rdpass.passes.analysis.shortcuts.find_cuts import stage_of_modules
from rdpass.passes.distill.join_paths import OWN_PATH, join_paths, teacher_taps
from rdpass.recipes.feature_matching import FeatureMatching
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch, Listener, Objective, nothing_fades
from rdpass.training.options import PathOptions
from rdpass.training.schedules import mixed_weight


class PathObjective(Objective):
    """The terms above, named ``task``, ``teacher``, ``mixed_<cut>``, ``features``, ``mixed_features``, ``own_teacher``.

    ``cuts`` leads from the teacher's node at each mixed path's cut to the student's, ``stages`` does so for the end of
    every stage; ``feature`` names the node of both at the last one, and ``matching`` measures there, a module a path.
    """

    def __init__(
        self,
        student: GraphModule,
        teacher: GraphModule,
        criteria: Criteria,
        options: PathOptions,
        cuts: Mapping[str, str],
        stages: Mapping[str, str],
        feature: tuple[str, str] | None = None,
        matching: Callable[[], FeatureMatching] | None = None,
        on_progress: Listener = nothing_fades,
    ) -> None:
        super().__init__(student, teacher)
        self._criteria, self._options, self._on_progress = criteria, options, on_progress
        self._weight = 1.0
        self._feature = feature if matching is not None else None
        self._stages = stage_of_modules(student, stages)
        paths = join_paths(student, teacher, cuts, self._feature)
        taps = teacher_taps(teacher, paths.taps, feature[0] if self._feature and feature else None)
        # Not registered: their modules are the student's and the teacher's own.
        self._paths, self._teacher_taps = _Unregistered(paths.module), _Unregistered(taps)
        self._has_taps, self._has_mixed = bool(paths.taps), bool(cuts)
        self._scale = 1 / (1 + len(cuts)) if options.average else 1.0
        names = [OWN_PATH, *cuts] if matching is not None else []
        self.matching = torch.nn.ModuleDict({name: matching() for name in names} if matching is not None else {})
        if options.teacher == "trained":
            self.teacher.requires_grad_(True)

    def set_progress(self, progress: float) -> Mapping[str, float]:
        self._weight = mixed_weight(progress, self._options)
        return self._on_progress(progress)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        terms, (wanted, feature, taps) = self._teacher_side(batch)
        results = self._run_paths((*batch.inputs, *taps))
        outputs, own_feature = results.pop(OWN_PATH)
        if self._options.own:
            terms |= self._own_terms(outputs, wanted, batch)
        for cut, (mixed, _) in results.items():
            terms[f"mixed_{cut}"] = self._scale * self._weight * self._mixed_loss(mixed, wanted, batch)
        if self.matching:
            factor = self._scale * self._options.features
            terms["features"] = factor * self.matching[OWN_PATH](own_feature, feature)
            distances = [self.matching[cut](each, feature) for cut, (_, each) in results.items()]
            if distances:
                terms["mixed_features"] = factor * self._weight * torch.stack(distances).sum()
        return terms

    def gradient_share(self, batch: Batch) -> dict[str, float]:
        """Per stage, the norm of the student's gradient through the teacher over that plus the norm of the rest.

        Stages go by the cut they end in; what comes behind the last is ``head``. None where there is no mixed path.
        """
        if not self._has_mixed:
            return {}
        terms = self(batch)
        mixed = [term for name, term in terms.items() if name.startswith("mixed_")]
        own = [term for name, term in terms.items() if not name.startswith(("mixed_", "own_teacher"))]
        groups: dict[str, list[Tensor]] = {}
        for path, stage in self._stages.items():
            parameters = self.student.get_submodule(path).parameters()
            groups.setdefault(stage, []).extend(p for p in parameters if p.requires_grad)
        sizes = [self._norms(part, groups, keep) for part, keep in ((mixed, bool(own)), (own, False))]
        return {
            stage: sizes[0][stage] / total
            for stage in groups
            if groups[stage] and (total := sizes[0][stage] + sizes[1][stage]) > 0
        }

    @staticmethod
    def _norms(terms: list[Tensor], groups: dict[str, list[Tensor]], keep: bool) -> dict[str, float]:
        """The norm of the gradient of the terms' sum, per group of parameters."""
        parameters = [parameter for group in groups.values() for parameter in group]
        if not terms:
            return dict.fromkeys(groups, 0.0)
        found = torch.autograd.grad(torch.stack(terms).sum(), parameters, retain_graph=keep, allow_unused=True)
        squares = {id(p): 0.0 if g is None else float(g.square().sum()) for p, g in zip(parameters, found, strict=True)}
        return {stage: sum(squares[id(p)] for p in group) ** 0.5 for stage, group in groups.items()}

    def _teacher_side(self, batch: Batch) -> tuple[dict[str, Tensor], tuple[Any, Any, tuple[Any, ...]]]:
        """The teacher's outputs, features and taps, without gradient, and its own term where it is trained along."""
        if self._options.teacher == "trained":
            self.teacher.train(self.training)
            outputs, feature, taps = self._teacher_taps.module(*batch.inputs)
            self.teacher.eval()
            loss = self._criteria.loss_of(outputs, batch)
            detached = torch.utils._pytree.tree_map(_detached, (outputs, feature, taps))
            return {"own_teacher": loss}, detached
        if not (self._needs_outputs(batch) or self._has_taps or self._feature):
            return {}, (None, None, ())
        with torch.no_grad():
            return {}, self._teacher_taps.module(*batch.inputs)

    def _needs_outputs(self, batch: Batch) -> bool:
        return self._criteria.config.alpha > 0 or not self._has_target(batch)

    def _has_target(self, batch: Batch) -> bool:
        return batch.targets is not None or self._criteria.loss is not None

    def _run_paths(self, inputs: tuple[Any, ...]) -> dict[str, tuple[Any, Tensor | None]]:
        if self._options.teacher == "trained":
            frozen = {f"teacher.{name}": value.detach() for name, value in self.teacher.named_parameters()}
            found: dict[str, Any] = torch.func.functional_call(self._paths.module, frozen, inputs)
            return found
        return dict(self._paths.module(*inputs))

    def _own_terms(self, outputs: Any, wanted: Any, batch: Batch) -> dict[str, Tensor]:
        if self._criteria.config.alpha == 0 and self._has_target(batch):
            return {"task": self._scale * self._criteria.loss_of(outputs, batch)}
        terms = self._criteria.terms(outputs, wanted, batch)
        return {name: self._scale * term for name, term in terms.items()}

    def _mixed_loss(self, outputs: Any, wanted: Any, batch: Batch) -> Tensor:
        if self._has_target(batch):
            return self._criteria.loss_of(outputs, batch)
        return self._criteria.distance_of(outputs, wanted)


class _Unregistered:
    """Holds a module without making it a child, so that no parameter is listed twice."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value
