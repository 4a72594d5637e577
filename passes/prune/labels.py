"""Labels of channels: every place of a map or a weight has one, and those that can only leave together are united.

A map's labels are a tensor of integers of its shape. Most are the same at every position of an axis, and are held as an
expanded view that takes next to no memory. What only moves numbers can be run on them as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from rdpass.core.plan import Skipped


class Labels:
    """Sets of labels that leave together, each with the reason why it stays if it has to.

    Example:
        >>> labels = Labels()
        >>> a, b = labels.fresh(3), labels.fresh(3)
        >>> labels.unite(a, b.flip(0))
        >>> labels.units(a), labels.units(b)
        ((0, 1, 2), (2, 1, 0))
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, Skipped] = {}

    def fresh(self, count: int) -> Tensor:
        """Labels that nothing else has, shape (count,)."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def fixed(self, shape: Iterable[int], reason: Skipped) -> Tensor:
        """Labels of a map none of whose channels can leave."""
        label = self.fresh(1)
        self._reasons[int(label)] = reason
        return label.reshape(()).expand(tuple(shape))

    def fix(self, labels: Tensor, reason: Skipped) -> None:
        """Let none of these leave."""
        for label in compact(labels).flatten().tolist():
            self._reasons.setdefault(self.unit(label), reason)

    def unite(self, first: Tensor, second: Tensor) -> None:
        """Let the labels at the same places of both, broadcast, leave together."""
        pairs = torch.broadcast_tensors(compact(first), compact(second))  # type: ignore[no-untyped-call]
        for a, b in {*zip(*(each.flatten().tolist() for each in pairs), strict=True)}:
            one, other = sorted((self.unit(a), self.unit(b)))
            self._parents[other] = one
            if other in self._reasons:
                self._reasons.setdefault(one, self._reasons[other])

    def unit(self, label: int) -> int:
        """The least of the labels that leave together with this one."""
        while self._parents[label] != label:
            self._parents[label] = label = self._parents[self._parents[label]]
        return label

    def units(self, labels: Tensor) -> tuple[int, ...]:
        """The unit of each label, in order."""
        return tuple(map(self.unit, labels.flatten().tolist()))

    def reasons(self) -> dict[int, Skipped]:
        """Why a unit stays, of those that have to."""
        return {unit: reason for unit, reason in self._reasons.items() if self.unit(unit) == unit}


def along(vector: Tensor, axis: int, shape: Iterable[int]) -> Tensor:
    """Labels of a map of ``shape`` whose channels, along ``axis``, are labelled by ``vector``."""
    sizes = tuple(shape)
    return vector.reshape([-1 if place == axis else 1 for place in range(len(sizes))]).expand(sizes)


def compact(labels: Tensor) -> Tensor:
    """The labels with one position left of every axis along which they are the same."""
    for axis, (size, stride) in enumerate(zip(labels.shape, labels.stride(), strict=True)):
        if size > 1 and stride == 0:
            labels = labels.narrow(axis, 0, 1)
    for axis, size in enumerate(labels.shape):
        if size > 1 and bool((labels == labels.narrow(axis, 0, 1)).all()):
            labels = labels.narrow(axis, 0, 1)
    return labels


def varying(labels: Tensor) -> frozenset[int]:
    """The axes along which the labels are not all the same."""
    return frozenset(axis for axis, size in enumerate(compact(labels).shape) if size > 1)


def vector_along(labels: Tensor, axis: int) -> Tensor:
    """The labels along one axis, shape (size,), of a map that varies along no other."""
    for other in reversed(range(labels.ndim)):
        if other != axis:
            labels = labels.select(other, 0)
    return labels
