"""The record of a search, ``fit.json``: what has been found so far, written whole after every step and checksummed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from rdpass import __version__
from rdpass.core.checksums import open_object, sealed_object
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.estimates import Estimate
from rdpass.core.files import check_regular, new_file
from rdpass.core.numeric_types import Precision
from rdpass.core.plan import Choice, Skipped
from rdpass.fitting.limits import Limits, Miss, misses
from rdpass.fitting.networks import Network, Price
from rdpass.profiling.account.choices import choice_key

RECORD = "fit.json"
ROUNDED, TRAINED = "rounded", "trained"
SCHEMA_VERSION = 1
"""Raised when a field goes or changes its meaning; new fields may come without."""


@dataclass(frozen=True)
class Measured:
    """A network in one precision on images held out.

    Args:
        network: its name.
        precision: that it was computed in.
        how: it came about: ``as it is``, ``exact``, ``rounded``, ``trained``, or after how many steps of a probe.
        images: that it was measured on.
        figure: top-1 in per cent, or the metric's.
        difference: from the teacher on the same images, with the error of pairs.
        folder: of the run that holds it, below that of the search; empty for a probe, which is not kept.
    """

    network: str
    precision: Precision
    how: str
    images: int
    figure: Estimate
    difference: Estimate
    folder: str = ""

    @property
    def drop(self) -> float:
        """By how much the figure is lower than the teacher's."""
        return -self.difference.value


@dataclass(frozen=True)
class Point:
    """A network in one precision that was measured and can be built: accuracy, cost, and the limits that it misses."""

    measured: Measured
    cost: Choice
    missed: tuple[Miss, ...]

    @property
    def name(self) -> str:
        """Words for it: plain, plain in int8."""
        return choice_key(self.cost.network, self.cost.precision)


@dataclass(frozen=True)
class Fit:
    """What a search has found: what ``fit`` returns.

    Args:
        target: the board that costs are estimated for.
        limits: what was asked for.
        settings: the model's digest and whatever else the findings depend on.
        networks: all that were looked at.
        costs: of each in each precision.
        prices: of keeping each shortcut alone.
        skipped: networks without costs (their names for ``add``), with the reason.
        figure: what accuracy is measured by: ``top-1``, or the metric's name.
        teacher: the model's own figure.
        probes: short trainings and roundings.
        seconds: that a step of the training of each network took.
        left_out: networks that were not probed, trained or measured, with the reason.
        measured: networks that are kept in run folders.
        verdict: the outcome in words; empty while the search is under way.

    Example:
        >>> import rdpass
        >>> found = rdpass.fit(model, example, target="rpi4", peak="5kB", dry_run=True, show_progress=False)
        >>> [network.name for network in found.networks][:3]
        ['as it is', 'exact', 'plain']
    """

    target: str
    limits: Limits
    settings: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    costs: tuple[Choice, ...] = ()
    prices: tuple[Price, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    figure: str = ""
    teacher: Estimate | None = None
    probes: tuple[Measured, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[Skipped, ...] = ()
    measured: tuple[Measured, ...] = ()
    verdict: str = ""

    @property
    def points(self) -> tuple[Point, ...]:
        """What was measured and is kept, each with its cost and the limits that it misses."""
        pairs = ((each, self.cost(each.network, each.precision)) for each in self.measured)
        return tuple(
            Point(each, cost, misses(self.limits, cost, each.drop)) for each, cost in pairs if cost is not None
        )

    @property
    def within(self) -> tuple[Choice, ...]:
        """The costs that keep to every limit, whatever the accuracy."""
        return tuple(cost for cost in self.costs if not misses(self.limits, cost))

    @property
    def best(self) -> Point | None:
        """Of the points that meet the budget the one that loses least; the fastest, where no cost is limited."""
        met = [point for point in self.points if not point.missed]
        if self.limits.bounds_cost:
            return min(met, key=lambda point: (point.measured.drop, point.cost.ms), default=None)
        return min(met, key=lambda point: (point.cost.ms, point.measured.drop), default=None)

    def network(self, name: str) -> Network:
        """The network of that name; KeyError if there is none."""
        return {network.name: network for network in self.networks}[name]

    def cost(self, network: str, precision: Precision) -> Choice | None:
        """What a network costs in a precision, if that could be estimated."""
        found = (each for each in self.costs if (each.network, each.precision) == (network, precision))
        return next(found, None)


_FIT = TypeAdapter(Fit)


def read_fit(folder: Path) -> Fit:
    """The record of a search.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    try:
        check_regular(folder / RECORD)
        body = open_object((folder / RECORD).read_text())
        return _FIT.validate_python({name: value for name, value in body.items() if name in Fit.__annotations__})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} is not the output folder of rdpass fit: {RECORD}: {first_line(error)}") from error


class Journal:
    """The record as it grows: every change is on the disk before the next step begins.

    ``folder``: where; None keeps it in memory alone.
    """

    def __init__(self, found: Fit, folder: Path | None) -> None:
        self.found, self.folder = found, folder

    def put(self, **changes: Any) -> Fit:
        """Change fields of the record.

        Raises:
            ConfigError: the folder can't be written.
        """
        self.found = replace(self.found, **changes)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            versions = {"rdpass": __version__, "torch": torch.__version__}
            body = {**plain_record(self.found), "versions": versions}
            with new_file(self.folder / RECORD, force=True) as path:
                path.write_text(json.dumps(sealed_object(body), indent=1) + "\n")
        return self.found

    def leave_out(self, name: str, reason: str) -> Fit:
        """Note that a step was left out, and why; the newest reason counts."""
        others = tuple(each for each in self.found.left_out if each.add != name)
        return self.put(left_out=(*others, Skipped(name, reason)))


def plain_record(found: Fit) -> dict[str, Any]:
    """The record as JSON has it (``rdpass/schemas/fit-1.schema.json``), with the best point said in it."""
    best = None if found.best is None else asdict(found.best.measured)
    body: dict[str, Any] = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **asdict(found), "best": best}))
    return body
