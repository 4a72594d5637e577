"""What tiles are held against: the oracle's bytes to the last, the default's floats to their rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, FLOAT32, INT8, NumericTypes
from rdpass.kernels.choice import build_kernels, rank_tiles, template_of
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import PointwisePair, QuantizedStem, Workload
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets.lookup import host_target, with_byte_products
from rdpass.tuning.devices import Devices
from rdpass.tuning.job import Timing
from rdpass.tuning.libraries import step_of
from rdpass.tuning.outcome import Outcome, Rejected
from rdpass.tuning.references import expected_of, is_exact, tolerance_of
from rdpass.tuning.task import Trial
from tests.kernels.examples import integer_examples, retyped
from tests.kernels.numbers import constants_of, written

from .cases import BYTES, CASES, MACHINE
from .made_trials import LARGE

HERE = with_byte_products(host_target())
"""This machine with all that multiplies bytes."""
EXAMPLES = integer_examples(machine_of(HERE).isa.byte)


def test_floats_may_differ_by_their_rounding_and_bytes_not_at_all() -> None:
    assert tolerance_of(LARGE) == 1e-4
    assert tolerance_of(retyped(LARGE, NumericTypes.all(FLOAT16))) == 2e-2
    assert {tolerance_of(work) for work, _, _ in BYTES.values()} == {0.0}
    assert not any(is_exact(work) for work, _, _ in CASES.values())


@pytest.mark.parametrize(("work", "constants", "_"), BYTES.values(), ids=BYTES.keys())
def test_every_workload_of_bytes_has_the_oracles_map(work: Any, constants: Any, _: int) -> None:
    """The same for tiles of one kernel and of two."""
    found = []
    tiles = [ranked.tile for ranked in rank_tiles(work, MACHINE)]
    for tile in (tiles[0], tiles[-1]):
        steps = [step_of("k", kernel) for kernel in build_kernels(work, constants, tile, MACHINE)]
        expected = expected_of(Occurrence(work, constants, 1), tile, steps)
        assert expected is not None
        found.append(expected)
    assert found[0].size == np.prod(written(work))
    assert np.array_equal(*found)
    assert {each.dtype for each in found} == {np.dtype(work.types.output.value)}


def test_floats_have_no_oracle_to_meet() -> None:
    work, constants, _ = CASES["pair"]
    tile = rank_tiles(work, MACHINE)[0].tile
    steps = [step_of("k", kernel) for kernel in build_kernels(work, constants, tile, MACHINE)]
    assert expected_of(Occurrence(work, constants, 1), tile, steps) is None


def _trial(work: Workload) -> Trial:
    """Of the second best tile, if there are two."""
    ranked = rank_tiles(work, machine_of(HERE))
    return Trial(Occurrence(work, constants_of(work), 1), ranked[min(1, len(ranked) - 1)].tile, 2)


def outcomes_of(works: Sequence[Workload], folder: Path) -> list[Outcome]:
    """In one process, which takes longer to start than to time a kernel."""
    trials = [_trial(work) for work in works]
    waiting = trials[::-1]
    found = Devices(replace(HERE, cores=1), None, None, folder).measure(
        lambda: waiting.pop() if waiting else None, lambda: None
    )
    by_trial = {id(trial): outcome for trial, outcome in found}
    return [by_trial[id(trial)] for trial in trials]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return outcomes_of(EXAMPLES, tmp_path_factory.mktemp("timed"))


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(EXAMPLES)))
def test_another_tile_of_bytes_is_timed_and_exact(index: int, outcomes: list[Outcome]) -> None:
    outcome = outcomes[index]
    assert isinstance(outcome, Timing), outcome
    assert outcome.error == 0.0


def test_a_byte_that_is_off_by_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = next(work for work in EXAMPLES if isinstance(work, PointwisePair))
    assert isinstance(outcomes_of([work], tmp_path)[0], Timing)
    tiles = {type(ranked.tile) for ranked in rank_tiles(work, machine_of(HERE))}
    for template in {template_of(ranked.tile) for ranked in rank_tiles(work, machine_of(HERE))}:
        right = type(template).oracle

        def wrong(self: Any, *arguments: Any, right: Any = right) -> Any:
            values = np.array(right(self, *arguments))
            values.reshape(-1)[7] ^= 1
            return values

        monkeypatch.setattr(type(template), "oracle", wrong)
    (outcome,) = outcomes_of([work], tmp_path)
    assert len(tiles) == 2
    assert isinstance(outcome, Rejected)
    assert "differ from those expected" in outcome.reason
    assert "tolerance 0" in outcome.reason


def test_an_image_of_bytes_is_given_as_bytes() -> None:
    stems = [work for work, _, _ in BYTES.values() if isinstance(work, QuantizedStem)]
    kinds = set()
    for work in stems:
        (kernel,) = build_kernels(work, constants_of(work), rank_tiles(work, MACHINE)[0].tile, MACHINE)
        kinds.add(step_of("k", kernel).types[0])
    assert kinds == {FLOAT32, "uint8"}
    assert INT8 not in kinds
