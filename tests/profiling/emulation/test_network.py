"""What one inference costs: the parts add up, two runs agree, and the command prints what it promises."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx
import pytest

from benchmarks import arm_cost
from rdpass.deploy.lowering import import_onnx, lower_for
from rdpass.onnx.source import read_onnx
from rdpass.profiling.account.network import account_of
from rdpass.profiling.emulation import network
from rdpass.profiling.emulation.boards import find_board
from rdpass.profiling.emulation.emulator import LINE
from rdpass.profiling.emulation.network import RUNTIME, NetworkCost, measure_network
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.profiling.emulation.symbols import Symbols, read_symbols
from rdpass.profiling.emulation.throughput import CORES
from rdpass.targets.lookup import Target
from tests.deploy.conftest import two_by_two_net

ROOT = Path(__file__).parents[3]
KEYS = {"net", "target", "instructions", "fmla", "est_cycles", "dram_bytes", "est_ms", "peak_activation_bytes",
        "max_rel_error", "layers"}  # fmt: skip


@pytest.fixture(scope="module")
def cost(llvm: None, runtime: None, rpi4: Target, residual_onnx: Path) -> NetworkCost:
    return measure_network(residual_onnx, find_board("cortex-a72"))


def test_a_network_gives_the_right_numbers_under_the_emulator(cost: NetworkCost) -> None:
    assert cost.max_rel_error < 1e-5


def test_functions_add_up_to_the_whole(cost: NetworkCost) -> None:
    assert sum(function.instructions for function in cost.functions) == cost.instructions
    assert sum(function.fmla for function in cost.functions) == cost.fmla
    assert sum(function.l2_miss_bytes for function in cost.functions) == cost.dram_bytes
    for core in CORES:
        assert sum(f.est_cycles[core] for f in cost.functions) == pytest.approx(cost.est_cycles[core])


def test_the_account_of_the_same_code_is_within_a_tenth_of_its_cycles_and_has_its_very_memory(
    cost: NetworkCost, residual_onnx: Path
) -> None:
    core = find_board("cortex-a72")
    account = account_of(lower_for(import_onnx(read_onnx(residual_onnx)), core), core)
    counted = sum(function.est_cycles["cortex-a72"] for function in cost.functions if function.name != RUNTIME)
    assert sum(account.functions.values()) == pytest.approx(counted, rel=0.1)
    assert set(account.functions) == {function.name for function in cost.functions} - {RUNTIME}
    assert (account.peak_bytes, account.weight_bytes) == (cost.peak_activation_bytes, cost.facts.weight_bytes)


def test_every_function_of_the_network_is_there_with_its_calls(cost: NetworkCost) -> None:
    own = [function for function in cost.functions if function.name != RUNTIME]
    assert len(own) >= 3
    assert all(function.calls == 1 for function in own)
    assert {function.kind for function in own} <= {"kernel", "fallback"}
    (runtime,) = (function for function in cost.functions if function.name == RUNTIME)
    assert runtime.kind == "runtime"


def test_work_in_parallel_loops_is_that_of_their_function_with_symbols_and_without(
    llvm: None, runtime: None, rpi4: Target, residual_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measure_network(residual_onnx, rpi4)  # on four cores loops are nameless functions behind all others
    products = {function.name.partition("_k")[0]: function.fmla for function in found.functions}
    assert products["f32_stem"] == 8 * 3 * 9 * 9 * 8 // 4
    assert products["f32_direct"] == 8 * 8 * 9 * 9 * 8 // 4
    assert all(function.instructions > 500 for function in found.functions)

    def stripped(library: Path, compiler: str) -> Symbols:
        shutil.copyfile(library, copy := library.with_suffix(".stripped"))
        subprocess.run([f"{rpi4.triple}-strip", copy], check=True)
        return read_symbols(copy, compiler)

    monkeypatch.setattr(network, "read_symbols", stripped)
    assert measure_network(residual_onnx, rpi4) == found


def test_what_tvm_lowered_itself_is_told_with_its_share(cost: NetworkCost) -> None:
    own = sum(f.instructions for f in cost.functions if f.kind == "fallback")
    assert cost.fallback_share == own / cost.instructions
    assert {f.name for f in cost.functions if f.kind == "fallback"} == set(cost.facts.fallbacks)


def test_a_small_network_stays_in_the_cache_and_its_time_is_its_cycles(cost: NetworkCost) -> None:
    rpi4 = find_board("cortex-a72")
    assert cost.dram_bytes <= 64 * LINE
    assert cost.dram_bytes_beyond_weights == max(0, cost.dram_bytes - cost.facts.weight_bytes)
    cycles = cost.est_cycles["cortex-a72"]
    assert cost.est_ms == pytest.approx(cycles / rpi4.clock_ghz / 1e6 + cost.dram_bytes / rpi4.dram_gbps / 1e6)


def test_what_the_build_plans_is_reported(cost: NetworkCost) -> None:
    weights = (8 * 3 * 9 + 8 + 8 * 8 * 9 + 8 + 5 * 8 + 5) * 4
    assert weights <= cost.facts.weight_bytes <= 8 * weights  # Winograd's are larger, and channels may be padded
    assert cost.facts.code_bytes > 1000
    assert cost.peak_activation_bytes >= 4 * (8 * 9 * 8 + 5)


def test_cycles_of_the_cores_asked_for_alone_are_those_among_all(cost: NetworkCost, residual_onnx: Path) -> None:
    few = measure_network(residual_onnx, find_board("cortex-a72"), cores=())
    assert few.est_cycles == {"cortex-a72": cost.est_cycles["cortex-a72"]}
    assert few.est_ms == cost.est_ms


def test_a_second_measurement_finds_the_build_and_counts_the_same(
    cost: NetworkCost, residual_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rdpass.profiling.emulation.network_build.build", None)  # not to be called again
    assert measure_network(residual_onnx, find_board("cortex-a72")) == cost


@pytest.mark.slow
def test_another_target_is_another_build(cost: NetworkCost, residual_onnx: Path) -> None:
    before = {path.name for path in (cache_folder() / "networks").iterdir()}
    other = measure_network(residual_onnx, find_board("cortex-a53"))
    assert {path.name for path in (cache_folder() / "networks").iterdir()} > before
    assert other.max_rel_error < 1e-5


@pytest.mark.slow
def test_several_inputs_and_outputs_are_handled(llvm: None, runtime: None, rpi4: Target, tmp_path: Path) -> None:
    onnx.save(two_by_two_net(), tmp_path / "two.onnx")
    assert measure_network(tmp_path / "two.onnx", find_board("cortex-a72")).max_rel_error < 1e-5


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "arm_cost.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT.parent)


def test_the_command_prints_every_promised_key_and_the_same_figures_twice(
    cost: NetworkCost, residual_onnx: Path
) -> None:
    printed = [_command("--net", str(residual_onnx), "--target", "cortex-a72", "--json") for _ in range(2)]
    assert [done.returncode for done in printed] == [0, 0], printed[0].stderr
    assert printed[0].stdout == printed[1].stdout
    figures = json.loads(printed[0].stdout)
    assert figures.keys() >= KEYS
    assert list(figures["est_cycles"]) == list(CORES)
    assert figures["instructions"] == cost.instructions
    assert figures["layers"][0].keys() >= {"name", "kind", "calls", "instructions", "fmla", "est_cycles"}
    assert np.isfinite(figures["est_ms"])


@pytest.mark.slow
def test_the_command_prints_a_table_that_says_what_is_estimated(cost: NetworkCost, residual_onnx: Path) -> None:
    done = _command("--net", str(residual_onnx), "--target", "cortex-a72")
    assert "estimated" in done.stdout
    assert "TVM's own lowering: 0.0%" in done.stdout


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("--net", "plain51"), 2, "neither one of plain50"),
    (("--net", "missing.onnx"), 2, "can't be read"),
    (("--net", "plain18", "--target", "host"), 6, "no ARM target is called 'host'"),
])  # fmt: skip
def test_the_command_refuses_with_the_projects_exit_codes(arguments: tuple[str, ...], code: int, message: str) -> None:
    done = _command(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stdout == ""


def test_the_command_estimates_without_running(residual_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(sys, "argv", ["arm_cost", "--net", str(residual_onnx), "--estimate", "--optimize", "size"]):
        arm_cost.main()
    shown = capsys.readouterr().out
    assert "for cortex-a72 in float32, optimized for size: " in shown
    assert shown.endswith("; estimated\n")
