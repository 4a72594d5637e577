"""The order of a segment's tasks with the least peak: dynamic programming over the sets of tasks done.

A state is such a set (closed under predecessors); its live bytes do not depend on the order that led there, so the
least peak to reach it is all one has to remember. States are taken by least peak so far, deeper ones first (Dijkstra's
algorithm with maximum in the place of sum), so the first complete state is optimal, and the peak of the state last
taken bounds every schedule from below. Two rules spare most states and lose no optimum. Let P be that bound:

1. A task that needs no more than P and leaves no more bytes live than before is done at once. Were it done later in an
   optimal schedule, moving it here lowers or keeps the live bytes of every state passed: live bytes are a submodular
   function of the set of tasks done.
2. Likewise a chain of tasks, each ready only through the one before, that stays below P and ends with no more bytes
   live than at any point since its start (Liu 1987's hill and valley, with P for the hill).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from rdpass.passes.analysis.memory.segments import Segment, State

CHAIN_LIMIT = 64


@dataclass(frozen=True)
class Found:
    """An optimal order, its peak in bytes, and how many moves were looked at."""

    order: tuple[int, ...]
    peak: int
    moves: int


@dataclass(frozen=True)
class Exhausted:
    """Nothing found within the bound on moves; no order has a peak below ``at_least``."""

    at_least: int
    moves: int


def optimal_order(segment: Segment, floor: int, bound: int) -> Found | Exhausted:
    """The order with the least peak not below ``floor``, looking at no more than about ``bound`` moves."""
    return _Search(segment, bound).run(floor)


class _Search:
    def __init__(self, segment: Segment, bound: int) -> None:
        self.segment, self.bound, self.moves = segment, bound, 0
        self.parent: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.taken: set[int] = set()
        self.heap: list[tuple[int, int, int, State, int, tuple[int, ...]]] = []
        self.ticket = count()

    def run(self, floor: int) -> Found | Exhausted:
        start = self.segment.start()
        self._offer(floor, start, -1, ())
        while self.heap:
            peak, _, _, state, origin, moves = heapq.heappop(self.heap)
            if state.done in self.taken:
                continue
            self.parent[state.done] = (origin, moves)
            end = self._advance(state, peak)
            if end is not None:
                return Found(self._order(end), peak, self.moves)
            if self.moves > self.bound:
                return Exhausted(peak, self.moves)
        raise AssertionError("a graph without cycles has an order")

    def _offer(self, peak: int, state: State, origin: int, moves: tuple[int, ...]) -> None:
        heapq.heappush(self.heap, (peak, -state.number_done, next(self.ticket), state, origin, moves))

    def _advance(self, state: State, peak: int) -> State | None:
        """Follow forced moves from ``state``, then offer every other; the complete state if that is reached."""
        while True:
            self.taken.add(state.done)
            if state.number_done == len(self.segment.tasks):
                return state
            forced = self._forced(state, peak)
            if forced is None:
                break
            moves, following = forced
            if following.done in self.taken or self.moves > self.bound:
                return None
            self.parent[following.done] = (state.done, moves)
            state = following
        self.moves += len(state.ready)
        for index in state.ready:
            following = self.segment.after(state, index)
            if following.done not in self.taken:
                self._offer(max(peak, self.segment.needs(state, index)), following, state.done, (index,))
        return None

    def _forced(self, state: State, peak: int) -> tuple[tuple[int, ...], State] | None:
        """Rules 1 and 2, and the only task there is where it fits."""
        fitting = []
        for index in state.ready:
            self.moves += 1
            if self.segment.needs(state, index) <= peak:
                following = self.segment.after(state, index)
                if following.live <= state.live or len(state.ready) == 1:
                    return (index,), following
                fitting.append(index)
        for index in fitting:
            chain = self._chain(state, index, peak)
            if chain is not None:
                return chain
        return None

    def _chain(self, state: State, index: int, peak: int) -> tuple[tuple[int, ...], State] | None:
        moves: tuple[int, ...] = (index,)
        here, lowest = self.segment.after(state, index), state.live
        while len(moves) < CHAIN_LIMIT:
            newly = here.ready[len(state.ready) - 1 :]
            if len(newly) != 1 or self.segment.needs(here, newly[0]) > peak:
                return None
            moves, here = (*moves, newly[0]), self.segment.after(here, newly[0])
            if here.live <= lowest:
                return moves, here
        return None

    def _order(self, state: State) -> tuple[int, ...]:
        moves: list[tuple[int, ...]] = []
        done = state.done
        while done != -1:
            done, made = self.parent[done]
            moves.append(made)
        return tuple(self.segment.tasks[index] for made in reversed(moves) for index in made)
