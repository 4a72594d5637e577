"""A user's loader, read epoch by epoch: its length held to, its failures named, its random numbers its own.

A run goes on in the middle of an epoch in one of two ways:

1. The loader is read again from the epoch's beginning, and what was consumed is dropped.
2. One with ``state_dict`` and ``load_state_dict`` is put where it stood (``Place``), and nothing is read twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any

import torch

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.checkpoint import unkept
from rdpass.training.generators import Stream

if TYPE_CHECKING:
    from rdpass.training.config import DistillConfig

log = logging.getLogger(__name__)

Place = dict[str, Any]
"""Where a loader stands between two batches: its own state, its random stream's, and that of generators it holds."""
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
        self._is_stateful = all(callable(getattr(loader, name, None)) for name in ("state_dict", "load_state_dict"))
        self._is_checked = False
        self._stream: Stream | None = None  # None between an epoch that was cut short and the next
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

    def epoch(self, epoch: int, skip: int = 0, place: Place | None = None) -> Iterator[tuple[int, Any]]:
        """The epoch's batches with their indices from ``skip`` on.

        Args:
            epoch: its number, from 0.
            skip: batches that were consumed already. They are read and dropped.
            place: where the loader stood after these; nothing is read again then.

        Raises:
            DivergedError: the loader failed, or gave fewer or more batches than its length says.
        """
        stream = self._stream = Stream(self._seed, epoch, 1)
        for part in self._parts():
            if callable(set_epoch := getattr(part, "set_epoch", None)):
                set_epoch(epoch)
        index = 0
        if place is not None:
            index = skip
            stream.state = place["stream"] if skip else stream.state
            self._go_to(place)
        with failures_named("training", index), stream:
            iterator = iter(self._loader)
        while True:
            if self._endless and index == self.length:
                self._stream = None  # the next epoch begins anew, wherever the loader stands
                break
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

    def place(self) -> Place | None:
        """Where the loader stands, to be asked between two batches or after an epoch; None where it can't tell.

        A state that a checkpoint can't hold as data is of no use; a warning says so, once.
        """
        if not self._is_stateful or self._stream is None:
            return None
        with failures_named("training", "where it was asked for its state"):
            place = {
                "loader": deepcopy(self._loader.state_dict()),  # type: ignore[attr-defined]
                "stream": self._stream.state,
                "generators": [generator.get_state() for generator in self.generators()],
            }
        if not self._is_checked:
            self._is_checked = True
            if (reason := unkept(place)) is not None:
                self._is_stateful = False
                log.warning(
                    "the loader's state_dict() is more than tensors, numbers, texts and containers of them, and is not"
                    " kept (%s): a resume reads the epoch again from its beginning", reason
                )  # fmt: skip
                return None
        return place

    def _go_to(self, place: Place) -> None:
        for generator, state in zip(self.generators(), place["generators"], strict=True):
            generator.set_state(state)
        with failures_named("training", "where it was given its state back"):
            self._loader.load_state_dict(place["loader"])  # type: ignore[attr-defined]

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
    """Turns whatever the loader raises into one error that gives the batch's index, or says when it was."""

    def __init__(self, which: str, index: int | str) -> None:
        self._which, self._when = which, index if isinstance(index, str) else f"at batch {index}"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, DivergedError):
            raise DivergedError(
                f"the {self._which} loader failed {self._when}: {type(error).__name__}: {error}"
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
