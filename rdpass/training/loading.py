"""A user's loader, read epoch by epoch: its length held to, its failures named, its random numbers its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import TYPE_CHECKING, Any

import torch

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.generators import Stream

if TYPE_CHECKING:
    from rdpass.training.config import DistillConfig

_END = object()


class Loading:
    """Reads one loader. ``length`` is its batches in an epoch."""

    def __init__(self, loader: Iterable[Any], config: DistillConfig) -> None:
        """
        Raises:
            DivergedError: the loader is empty, or has no length and ``config.batches`` does not give one.
        """
        self._loader, self._seed = loader, config.seed
        self._endless = config.batches is not None
        known = len(loader) if isinstance(loader, Sized) else 0
        self.length = config.batches or known
        if not self.length:
            raise DivergedError(
                "the training loader is empty" if isinstance(loader, Sized) else
                "the training loader has no length to plan the schedule with; say how many batches an epoch has"
                " (batches=N, --set train.batches=N)"
            )  # fmt: skip

    def check_rereadable(self) -> None:
        """
        Raises:
            ConfigError: the loader is an iterator, which can't be taken back to where an epoch began.
        """
        if isinstance(self._loader, Iterator):
            raise ConfigError(
                "an iterator can't be read again, so a run on it can neither be resumed nor rolled back; give a loader"
            )

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[int, Any]]:
        """The epoch's batches with their indices from ``skip`` on; those before are read and dropped.

        Raises:
            DivergedError: the loader failed, or gave fewer or more batches than its length says.
        """
        stream = Stream(self._seed, epoch, 1)
        for part in self._parts():
            if callable(set_epoch := getattr(part, "set_epoch", None)):
                set_epoch(epoch)
        index = 0
        with failures_named("training", index), stream:
            iterator = iter(self._loader)
        while not (self._endless and index == self.length):
            with failures_named("training", index), stream:
                raw = next(iterator, _END)
            if raw is _END:
                break
            if index == self.length:
                raise DivergedError(f"the training loader gave more batches than the {self.length} its length says")
            if index >= skip:
                yield index, raw
            index += 1
        if index < self.length:
            raise DivergedError(f"the training loader gave {index} batches where its length says {self.length}")

    def generators(self) -> list[torch.Generator]:
        """Generators that the loader or a part of it holds, beside the global ones."""
        found = [getattr(part, "generator", None) for part in self._parts()]
        return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())

    def is_shared_out(self) -> bool:
        """Tell whether each process already gets batches of its own, by a ``DistributedSampler``."""
        sampler = torch.utils.data.distributed.DistributedSampler
        return any(isinstance(part, sampler) for part in self._parts())

    def _parts(self) -> list[Any]:
        loader = self._loader
        batch_sampler = getattr(loader, "batch_sampler", None)
        parts = [loader, getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None),
                 getattr(loader, "dataset", None)]  # fmt: skip
        return list({id(part): part for part in parts if part is not None}.values())


class failures_named:
    """Turns whatever the loader raises into one error that gives the batch's index."""

    def __init__(self, which: str, index: int) -> None:
        self._which, self._index = which, index

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DivergedError):
            raise DivergedError(
                f"the {self._which} loader failed at batch {self._index}: {type(error).__name__}: {error}"
            ) from error


def read_batches(
    loader: Iterable[Any], which: str, stream: AbstractContextManager[None] | None = None
) -> Iterator[Any]:
    """A loader's batches, each as it comes.

    Args:
        loader: read once.
        which: its name in errors.
        stream: the random stream that the loader draws from; the global one by default.

    Raises:
        DivergedError: the loader fails; the message gives the batch's index.
    """
    drawn = nullcontext() if stream is None else stream
    with failures_named(which, 0), drawn:
        iterator = iter(loader)
    for index in count():
        with failures_named(which, index), drawn:
            raw = next(iterator, _END)
        if raw is _END:
            return
        yield raw
