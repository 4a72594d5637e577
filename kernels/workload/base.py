"""The base of all workloads: what each tells of itself, whatever it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeVar

from rdpass.core.numeric_types import NumericTypes
from rdpass.kernels.workload.epilogue import NO_EPILOGUE, Epilogue

W = TypeVar("W", bound="Workload")


class Workload(ABC):
    """A piece of a network that a kernel is chosen for, and tiles are tuned for.

    A frozen dataclass of shapes, strides and numeric types; equal workloads share one kernel.
    """

    @property
    @abstractmethod
    def types(self) -> NumericTypes:
        """The numeric types of what is read, multiplied by, summed in and written: a field, or told by its steps."""

    @property
    def all_types(self) -> tuple[NumericTypes, ...]:
        """The numeric types of every step, where there are several."""
        return (self.types,)

    @property
    def epilogue(self) -> Epilogue:
        """The epilogue of every value before it is stored; none, unless a subclass has a field for it."""
        return NO_EPILOGUE

    @property
    @abstractmethod
    def operations(self) -> int:
        """Arithmetic operations, without the epilogue: two for each multiply-accumulate."""

    @property
    def weights(self) -> int:
        """Numbers of its weights, as the network has them; biases and tables are none."""
        return 0

    def in_place(self: W) -> W:
        """The same workload, which adds a map, with that map's buffer as its output."""
        raise TypeError(f"{self} adds no map")

    @abstractmethod
    def describe(self) -> str:
        """The workload in a few words: kind, kernel, channels and size."""


@dataclass(frozen=True)
class OnNumbers(Workload):
    """One operation for each number of a map, whatever lies around it: a subclass says which, and its ``types``."""

    batch: int
    channels: int
    pixels: int

    @property
    def operations(self) -> int:
        return self.batch * self.channels * self.pixels
