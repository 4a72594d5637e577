"""A measurer that makes its times up: the search and the book-keeping without building anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rdpass.database.record import Method, Selection
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.tuning.job import Timing
from rdpass.tuning.outcome import Outcome, T
from rdpass.tuning.task import NetworkTrial, Trial


@dataclass
class MadeUp:
    """``ratio`` gives a tile's time over the default's, which is 1 ms, and ``whole`` that of a network with some tiles
    over the 10 ms it takes without; ``seen`` are the tiles tried, ``networks`` the selections of tiles."""

    ratio: Callable[[Workload, Tile], float] = lambda work, tile: 0.5
    whole: Callable[[Selection], float | Outcome] = lambda tiles: 0.8
    method: Method = "host"
    outcome: Callable[[Trial], Outcome] | None = None
    seen: list[Trial] = field(default_factory=list)
    networks: list[Selection] = field(default_factory=list)

    def measure(self, take: Callable[[], T | None], check: Callable[[], None]) -> Iterator[tuple[T, Outcome]]:
        while (trial := take()) is not None:
            yield trial, self._network(trial) if isinstance(trial, NetworkTrial) else self._tile(trial)

    def _tile(self, trial: Trial) -> Outcome:
        self.seen.append(trial)
        timing = Timing(1e-3 * self.ratio(trial.workload, trial.tile), 1e-3, 3 * trial.rounds, 0.1, 0.0)
        return timing if self.outcome is None else self.outcome(trial)

    def _network(self, trial: NetworkTrial) -> Outcome:
        self.networks.append(trial.tiles)
        found = self.whole(trial.tiles)
        return Timing(1e-2 * found, 1e-2, 30, 0.1, 0.0) if isinstance(found, float) else found
