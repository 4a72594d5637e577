"""Whole networks as C libraries for a board, under the emulator: bits, sizes, and what they take of the heap."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.no_runtime import report
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.onnx.export import export_onnx
from tests.deploy.aot.test_library import check_heap

MB = 1_000_000


def _checked(net: str, board: str, folder: Path) -> dict[str, float]:
    figures = report(net, board, folder)
    bundle = Bundle(folder / "none.rdp", open_sealed(folder / "none.rdp"))
    assert figures["bit_identical"]
    assert figures["max_rel_error"] <= 1e-5
    assert check_heap(bundle, folder, threads=(1,)) == figures["arena_bytes"]
    return figures


@pytest.mark.slow
def test_plain18_takes_less_than_1_5_mb_beside_its_weights_and_an_arena(board: str, tmp_path: Path) -> None:
    figures = _checked("plain18", board, tmp_path)
    assert figures["code_and_data_bytes"] <= 1.5 * MB
    # Four threads have a workspace each.
    assert figures["arena_bytes"] <= 2.2 * MB


@pytest.mark.slow
def test_efficientnet_lite0_too(board: str, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    from benchmarks.efficientnet_lite0 import photograph, pretrained

    export_onnx(pretrained(), (photograph("chelsea"),), tmp_path / "lite0.onnx")
    assert _checked(str(tmp_path / "lite0.onnx"), board, tmp_path)["code_and_data_bytes"] <= 1.5 * MB
