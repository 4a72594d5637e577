"""Runtimes side by side: taken in turns, checked against torch, and said so when ours loses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks import peers
from benchmarks.peer_runtimes import measuring
from benchmarks.peer_runtimes.catalogue import PEERS, RUNTIMES
from benchmarks.peer_runtimes.comparison import GRAPHS, ratios, run_worker
from benchmarks.peer_runtimes.measuring import measure
from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError, DeviceError
from rdpass.profiling.runtimes.catalogue import OURS
from rdpass.profiling.runtimes.rows import Row
from rdpass.profiling.runtimes.workload import Inference, Workload, workload
from tests.deploy.conftest import residual_net

SCRIPT = Path(peers.__file__)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    folder = tmp_path_factory.mktemp("peers")
    onnx.save(residual_net(), folder / "net.onnx")
    return workload("net", folder / "net.onnx", folder / "kept")


@pytest.fixture
def measured(load: Workload, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Row]]:
    """``measure`` on a small network in both graphs' place, with runtimes of one's own."""

    def run(threads: int = 1, **runtimes: Callable[[Workload, int], Inference]) -> list[Row]:
        monkeypatch.setattr(measuring, "reference_file", lambda name, folder: load.onnx)
        monkeypatch.setattr(measuring, "RUNTIMES", runtimes)
        monkeypatch.setenv("RDPASS_CACHE", str(load.folder))
        return measure("resnet50", list(runtimes), threads, rounds=2)

    return run


def right(load: Workload, threads: int) -> Inference:
    return lambda x: load.expected


def half_precision(load: Workload, threads: int) -> Inference:
    return lambda x: load.expected * 1.01


def missing(load: Workload, threads: int) -> Inference:
    raise RuntimeError("can't be loaded") from ModuleNotFoundError("No module named 'fast'", name="fast")


def refusing(load: Workload, threads: int) -> Inference:
    raise ValueError("operator Max is not known\nand more")


def test_ratios_are_of_like_graphs_and_of_our_plain_against_their_residual_one() -> None:
    rows = [Row(OURS, "plain", 1, 50.0), Row(OURS, "residual", 1, 80.0), Row("ncnn", "plain", 1, 40.0),
            Row("ncnn", "residual", 1, 60.0), Row("mnn", "plain", 1, reason="none"),
            Row("ncnn", "plain", 2, 9.0)]  # fmt: skip
    found = {(r.runtime, r.graph, r.peer_graph, r.threads): r.ratio for r in ratios(rows)}
    assert found == {
        ("ncnn", "plain", "plain", 1): 0.8,
        ("ncnn", "residual", "residual", 1): 0.75,
        ("ncnn", "plain", "residual", 1): 1.2,
    }


def test_the_text_says_so_when_ours_loses(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row(OURS, "plain", 1, 50.0, 0.1, "cpu", 1e-6), Row("ncnn", "plain", 1, 40.0, 0.1, "cpu", 1e-6),
            Row("mnn", "plain", 1, 60.0, 0.1, "cpu", 1e-6),
            Row("openvino", "plain", 1, reason="not installed")]  # fmt: skip
    peers._print("resnet50", rows)
    printed = capsys.readouterr().out
    assert "ours (plain) / ncnn (plain), 1 thread: 0.80 x, ours loses" in printed
    assert "ours (plain) / mnn (plain), 1 thread: 1.20 x, ahead" in printed
    assert "not installed" in printed


def test_a_runtime_that_computes_something_else_or_nothing_is_a_row_with_the_reason(
    measured: Callable[..., list[Row]],
) -> None:
    rows = {(row.runtime, row.graph): row for row in measured(
        right=right, half_precision=half_precision, missing=missing, refusing=refusing
    )}  # fmt: skip
    assert len(rows) == 4 * len(GRAPHS)
    for graph in GRAPHS:
        assert rows["right", graph].reason is None
        assert rows["right", graph].median_ms is not None
        assert "differs from the expected one by 0.01" in str(rows["half_precision", graph].reason)
        assert rows["missing", graph].reason == 'fast is not installed; pip install "rdpass[peers]"'
        assert rows["refusing", graph].reason == "ValueError: operator Max is not known"
        assert all(rows[name, graph].median_ms is None for name in ("half_precision", "missing", "refusing"))


def test_more_threads_than_cores_are_not_timed(
    measured: Callable[..., list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    rows = measured(threads=2, right=right)
    assert [row.reason for row in rows] == ["this host gives 1 core to 2 threads"] * 2


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "executorch"])
def test_each_runtime_that_is_installed_computes_what_torch_computes(name: str, load: Workload) -> None:
    """But for ExecuTorch, which takes a torch module of a reference network, not an ONNX file."""
    for package in {"rdpass": (), "ncnn": ("ncnn", "pnnx"), "mnn": ("MNN",)}.get(name, (name,)):
        pytest.importorskip(package, exc_type=ImportError)
    inference = RUNTIMES[name](load, 1)
    for _ in range(2):
        assert relative_error(np.asarray(inference(load.x)).reshape(load.expected.shape), load.expected) < 1e-4


def test_the_scripts_list_of_peers_is_the_catalogues() -> None:
    assert tuple(PEERS) == peers.PEERS


def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(ConfigError, match="no runtime is called tflite; known are onnxruntime"):
        peers.compare("resnet50", ["tflite"], [1], 1)


def test_a_process_that_dies_is_an_error_with_the_last_thing_it_said(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text("import sys; print('first', file=sys.stderr); sys.exit('killed by a peer')")
    with pytest.raises(DeviceError, match=r"with 1 threads died \(1\): killed by a peer"):
        run_worker(script, "resnet50", ["ncnn"], 1, 1)


def test_a_process_has_the_cores_and_the_thread_count_it_was_given(tmp_path: Path) -> None:
    script = tmp_path / "tells.py"
    script.write_text(
        "import os, sys, json\n"
        "facts = [len(os.sched_getaffinity(0)), os.environ['TVM_NUM_THREADS'], os.environ['OMP_NUM_THREADS']]\n"
        "row = {'runtime': json.dumps(facts), 'graph': 'plain', 'threads': 1}\n"
        "open(sys.argv[sys.argv.index('--worker') + 1], 'w').write(json.dumps([row]))\n"
    )
    (row,) = run_worker(script, "resnet50", ["ncnn"], 1, 1)
    assert json.loads(row.runtime) == [1, "1", "1"]


@pytest.mark.slow
def test_the_command_prints_rows_of_both_graphs() -> None:
    command = [sys.executable, str(SCRIPT), "--net", "resnet18", "--peers", "onnxruntime", "--threads", "1"]
    done = subprocess.run([*command, "--rounds", "2", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {(row["runtime"], row["graph"]) for row in found["rows"]} == {
        (runtime, graph) for runtime in (OURS, "onnxruntime") for graph in GRAPHS
    }
    assert all(row["median_ms"] > 0 and row["threads"] == 1 and row["spread"] >= 0 for row in found["rows"])
    assert len(found["ratios"]) == 3
