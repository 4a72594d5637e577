"""The network that runtimes are given: its input, what it has to give, and where conversions are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from rdpass.onnx.oracle import run_onnx
from rdpass.profiling.runtimes.workload import Workload, workload
from tests.deploy.conftest import two_by_two_net


def test_input_and_output_are_the_golden_ones(work: Workload) -> None:
    assert (work.x.shape, work.x.dtype) == ((1, 3, 17, 15), np.float32)
    assert work.x.flags.c_contiguous
    assert np.array_equal(work.expected, run_onnx(onnx.load(work.onnx), [work.x])[0])


def test_a_place_changes_with_the_converter_and_the_model(work: Workload, tmp_path: Path) -> None:
    places = {
        work.kept("model.mnn", "3.1"), work.kept("model.mnn", "3.2"), work.kept("param", "3.1"),
        Workload("other", tmp_path / "other.onnx", work.folder, work.x, work.expected).kept("model.mnn", "3.1"),
    }  # fmt: skip
    assert len(places) == 4
    assert all(place.parent == work.folder for place in places)
    assert work.folder.is_dir()


def test_a_network_of_two_inputs_is_none(tmp_path: Path) -> None:
    onnx.save(two_by_two_net(), tmp_path / "two.onnx")
    with pytest.raises(ValueError, match="unpack"):
        workload("two", tmp_path / "two.onnx", tmp_path)
