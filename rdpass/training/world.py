"""The processes that train together: one, or as many as torchrun started.

All processes call the same code with the same loader. Of each batch a process takes its share of the rows, so that N
processes step as one would on the same batches; a loader with a ``DistributedSampler`` gives shares by itself, and the
global batch is then the sum of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_map

from rdpass.core.errors import ConfigError, DivergedError, first_line
from rdpass.training.batches import rows_of
from rdpass.training.objective import Batch


@dataclass(frozen=True)
class World:
    """``size`` processes, of which this is number ``rank``; with one, nothing is communicated."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Tell whether this process writes files and shows progress."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """``values`` summed over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def sums(self, values: Sequence[float], device: str) -> list[float]:
        """Each of ``values`` summed over all processes; alone, without waiting for ``device``."""
        if self.size == 1:
            return list(values)
        return [float(value) for value in self.total(torch.tensor(values, device=device)).tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Each process's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def share(self, batch: Batch, index: int) -> Batch:
        """This process's rows of a batch that all processes read.

        Raises:
            DivergedError: there are fewer rows than processes.
        """
        rows = rows_of(batch)
        if self.size == 1:
            return batch
        if rows < self.size:
            raise DivergedError(
                f"batch {index} has {rows} rows for {self.size} processes; let the loader drop a last batch as small"
            )

        def mine(value: Any) -> Any:
            whole = isinstance(value, Tensor) and value.ndim > 0 and value.shape[0] == rows
            return value.tensor_split(self.size)[self.rank] if whole else value

        return Batch(tuple(map(mine, batch.inputs)), tree_map(mine, batch.targets))


def current_world() -> World:
    """As the process group or torchrun's environment says."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def check_device(device: str) -> None:
    """Compute one number there.

    Raises:
        ConfigError: torch has no such device, or none here that computes.
    """
    try:
        torch.ones(1, device=device).item()
    except Exception as error:  # each kind of device fails in its own way
        raise ConfigError(
            f"--device {device}: torch can't compute there ({first_line(error)}); take cpu, or install a torch for it"
        ) from error


@contextmanager
def joined_world(device: str) -> Iterator[World]:
    """The world with its process group up: the caller's own, or one made for the block (gloo on CPUs, else NCCL)."""
    world = current_world()
    ours = world.size > 1 and not dist.is_initialized()
    chosen = torch.device(device)
    if chosen.type == "cuda" and chosen.index is not None:  # "cuda" alone means the current one
        torch.cuda.set_device(chosen)
    if ours:
        dist.init_process_group("gloo" if chosen.type == "cpu" else "nccl")
    try:
        yield world
        if ours:
            world.wait()
    finally:
        if ours:
            dist.destroy_process_group()


def own_device(device: str) -> str:
    """``cuda`` is the GPU that torchrun means for this process."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device
