"""Networks of every precision: tuned, recorded apart from each other, and built with their own tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

import rdpass
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, TargetError
from rdpass.core.numeric_types import Precision
from rdpass.database.folder import read_records
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.runtime_libraries import find_libraries
from rdpass.targets.lookup import find_target
from rdpass.tuning.estimates import Estimates
from tests.onnx.nets import Net
from tests.onnx.qdq import QdqNet

from .fleet import Fleet
from .made_up import MadeUp


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network of floats, and one of bytes of the same layers."""
    folder = tmp_path_factory.mktemp("precisions")
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv("x0", 16, 32, 3))
    onnx.save(net.model(net.conv(net.relu(net.conv(x, 32, 32, 3)), 32, 16)), folder / "float.onnx")
    quantised = QdqNet((1, 16, 12, 12))
    x = quantised.quantised("x0")
    for filters, channels, kernel in ((32, 16, 3), (32, 32, 3), (16, 32, 1)):
        x = quantised.layer(x, "Conv", (filters, channels, kernel, kernel), 0, pads=[kernel // 2] * 4)
        x = quantised.quantised(quantised.relu(x), 0.03)
    onnx.save(quantised.model(x), folder / "int8.onnx")
    floats = folder / "float.onnx"
    return {"float32": floats, "fp16": floats, "int8": folder / "int8.onnx"}


def kinds_of(manifest: Manifest) -> set[str]:
    return {kernel["name"].split("_")[0] for kernel in manifest.kernels}


def test_each_precision_has_records_of_its_own_and_is_built_with_them(
    files: dict[str, Path], made_up: Callable[..., MadeUp], tmp_path: Path
) -> None:
    """In one database for one board; what was tuned in one precision is no help in another."""
    made_up(method="mca")
    tuned, works = {}, {}
    order: tuple[Precision, ...] = ("fp16", "int8", "float32")
    for precision in order:
        before = rdpass.compile(
            files[precision], "rpi5", tmp_path / f"before-{precision}", precision=precision, database=tmp_path / "db",
            show_progress=False,
        ).manifest if tuned else None  # fmt: skip
        assert before is None or before.tuning["tuned"] == 0
        tuning = rdpass.tune(files[precision], "rpi5", tmp_path / "db", precision=precision, model="mca", trials=8,
                             show_progress=False)  # fmt: skip
        works[precision] = {w.workload for w in tuning.workloads}
        tuned[precision] = rdpass.compile(
            files[precision], "rpi5", tmp_path / precision, precision=precision, database=tmp_path / "db",
            show_progress=False,
        ).manifest  # fmt: skip
    assert not works["fp16"] & works["float32"]
    kinds = {precision: kinds_of(manifest) for precision, manifest in tuned.items()}
    assert kinds["fp16"] == {"f16"}
    assert "s8" in kinds["int8"]
    assert kinds["float32"] == {"f32"}
    for precision, manifest in tuned.items():
        assert manifest.tuning["tuned"] >= 2, precision
        assert manifest.tuning["network"]["built"] == "tuned"
        assert manifest.gates[-1].name in ("bundle", "tvm-host")


def test_tiles_of_bytes_are_timed_here_and_used(
    files: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """For real: every record is exact, and of the target that `compile` builds such networks for."""
    database = tmp_path / "db"
    assert run(["tune", str(files["int8"]), "--db", str(database), "--trials", "5"]) == 0
    shown = capfd.readouterr().out
    assert "5 trials in" in shown
    records = read_records(database)
    assert len(records) >= 5
    assert all(record.failure is None for record in records), [record.failure for record in records]
    assert not any(types.input.is_float for record in records for types in record.workload.all_types
                   if types.output is types.input)  # fmt: skip
    built = rdpass.compile(files["int8"], "host", tmp_path / "a", database=database, show_progress=False).manifest
    assert built.tuning["tuned"] >= 1
    assert {gate.name: gate.error for gate in built.gates}["bundle"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "target"), [("fp16", "rpi5"), ("int8", "rpi4"), ("int8", "rpi5")])
def test_tiles_are_estimated_in_every_precision(
    precision: Precision, target: str, files: dict[str, Path], tmp_path: Path
) -> None:
    try:
        Estimates(find_target(target)), find_libraries(find_target(target))
    except TargetError as error:
        pytest.skip(str(error))
    tuning = rdpass.tune(files[precision], target, tmp_path / "db", precision=precision, model="mca", trials=3,
                         show_progress=False)  # fmt: skip
    records = read_records(tmp_path / "db")
    assert all(record.failure is None and record.is_estimate for record in records), records
    assert tuning.trials == 3
    built = rdpass.compile(files[precision], target, tmp_path / "a", precision=precision, database=tmp_path / "db",
                           show_progress=False)  # fmt: skip
    assert built.manifest.tuning["tuned"] >= 1
    assert built.manifest.precision == precision


@pytest.mark.slow
def test_tiles_of_bytes_are_timed_on_boards(fleet: Fleet, files: dict[str, Path], tmp_path: Path) -> None:
    fleet.add()
    tracker = fleet.tracker
    tuning = rdpass.tune(files["int8"], "host", tmp_path / "db", rpc=str(tracker), key=tracker.key, trials=4,
                         show_progress=False)  # fmt: skip
    assert tuning.method == "rpc"
    assert {record.failure for record in read_records(tmp_path / "db")} == {None}


@pytest.mark.parametrize(
    ("name", "precision", "target", "error", "remedy"),
    [
        ("float32", "fp16", "rpi4", TargetError, "asimdhp"),
        ("float32", "int8", "rpi5", ConfigError, "rdpass quantize"),
        ("int8", "fp16", "rpi5", ConfigError, "float network"),
        ("float32", "bf16", "rpi5", ConfigError, "one of float32, fp16, int8"),
    ],
)
def test_a_precision_that_can_not_be_is_refused_before_anything_is_tried(
    name: str, precision: Precision, target: str, error: type[Exception], remedy: str, files: dict[str, Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(error, match=remedy):
        rdpass.tune(files[name], target, tmp_path / "db", precision=precision, model="mca", show_progress=False)
    assert not (tmp_path / "db").exists()
