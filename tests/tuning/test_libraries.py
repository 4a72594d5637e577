"""Variants as a worker loads them: the default built once, a tile's numbers the oracle's, and what can't be built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tvm

from rdpass.core.comparison import relative_error
from rdpass.core.errors import TargetError
from rdpass.kernels.choice import choose_default, rank_tiles, template_of
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.targets.lookup import host_target
from rdpass.tuning import libraries
from rdpass.tuning.job import NetworkVariant, Variant
from rdpass.tuning.libraries import Libraries, Unbuildable
from rdpass.tuning.task import Trial
from rdpass.tuning.worker import arguments_of
from tests.kernels.layout import from_blocked
from tests.kernels.numbers import constants_of

from .network_trial import network_trial

HERE = host_target()
MACHINE = machine_of(HERE)
WORK = Convolution(1, 16, 16, 6, 6, (3, 3), padding=(1, 1, 1, 1), epilogue=Epilogue("relu"))


def trial(number: int = 1) -> Trial:
    return Trial(Occurrence(WORK, constants_of(WORK), 1), rank_tiles(WORK, MACHINE)[number].tile, 3)


def test_the_default_is_built_once_and_every_tile_anew(tmp_path: Path) -> None:
    made = Libraries(HERE, tmp_path)
    default = made.default(trial(1))
    assert made.default(trial(2)) is default
    tuned = made.tuned(trial(1))
    assert isinstance(tuned, Variant)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["variant_1.so", "variant_2.so"]
    assert default.library != tuned.library


def test_a_library_computes_what_the_oracle_says_though_the_tile_is_another(tmp_path: Path) -> None:
    made = Libraries(HERE, tmp_path)
    chosen = trial(3)
    assert chosen.tile != choose_default(WORK, MACHINE)
    for variant in (made.default(chosen), made.tuned(chosen)):
        assert isinstance(variant, Variant)
        (step,) = variant.steps
        arrays = arguments_of(step)
        tensors = [tvm.runtime.tensor(array) for array in arrays]
        tvm.runtime.load_module(variant.library)[step.function](*tensors)
        x = from_blocked(arrays[0], 16, 6, 6)
        expected = template_of(chosen.tile).oracle(WORK, chosen.occurrence.constants, [x])
        assert relative_error(from_blocked(tensors[-2].numpy(), 16, 6, 6), expected) < 2e-5


def test_a_network_has_the_inputs_that_a_build_of_it_is_compared_with(tmp_path: Path) -> None:
    made, chosen = Libraries(HERE, tmp_path), network_trial(HERE)
    tuned, default = made.tuned(chosen), made.default(chosen)
    assert isinstance(tuned, NetworkVariant)
    assert isinstance(default, NetworkVariant)
    assert [array.shape for array in tuned.inputs] == [(1, 16, 12, 12)]
    assert all(map(np.array_equal, tuned.inputs, default.inputs))
    assert Path(tuned.library).read_bytes() != Path(default.library).read_bytes()


def test_what_llvm_can_not_build_is_the_tiles_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("LLVM ERROR: out of registers\nand a trace")

    made, chosen = Libraries(HERE, tmp_path), trial()
    monkeypatch.setattr(libraries.tvm.tirx, "build", fail)
    with pytest.raises(Unbuildable, match=r"Tile\(.*can't be built: .*out of registers$"):
        made.tuned(chosen)


def test_a_linker_that_fails_is_no_fault_of_the_tiles(tmp_path: Path) -> None:
    made = Libraries(HERE, tmp_path / "none")
    with pytest.raises(TargetError, match="could not link a kernel"):
        made.tuned(trial())


def test_where_size_counts_the_default_beside_a_tile_is_the_smallest(tmp_path: Path) -> None:
    work = replace(WORK, channels=64, filters=64, height=28, width=28)
    given = Trial(Occurrence(work, constants_of(work), 1), choose_default(work, MACHINE), 3)
    fast, small = (Libraries(HERE, tmp_path, optimize).default(given) for optimize in ("speed", "size"))
    assert isinstance(fast, Variant)
    assert isinstance(small, Variant)
    assert small.steps[0].constants[0].size == work.weights < fast.steps[0].constants[0].size
