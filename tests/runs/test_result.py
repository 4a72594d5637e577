"""A conversion's result: its outcomes, and its student as ONNX."""

from dataclasses import FrozenInstanceError, replace

import onnx
import pytest
import torch

import rdpass
from rdpass.core.errors import ConfigError
from rdpass.core.plan import Outcome
from rdpass.onnx.oracle import run_onnx
from tests.models import seeded, small_resnet
from tests.support import Untouched


@pytest.fixture(scope="module")
def made():
    return rdpass.convert(seeded(small_resnet), torch.randn(1, 3, 8, 8), recipe="carry", max_macs=9)


def test_removed_are_the_outcomes_that_were_not_kept_in_their_order(made):
    outcomes = tuple(Outcome(how, how, "why") for how in ("kept", "merged", "carried", "kept", "distilled"))
    assert [outcome.add for outcome in replace(made, outcomes=outcomes).removed] == ["merged", "carried", "distilled"]
    assert replace(made, outcomes=outcomes[:1]).removed == ()


def test_the_student_is_written_as_onnx_that_computes_the_same_and_stays_as_it_was(made, tmp_path):
    before = Untouched(made.student)
    path = made.export_onnx(tmp_path / "student.onnx")
    before.check()
    (got,) = run_onnx(onnx.load(path), [x.numpy() for x in made.example])
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(got), made.student(*made.example), atol=1e-5)


def test_a_file_is_replaced_only_with_force(made, tmp_path):
    path = tmp_path / "student.onnx"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"student\.onnx"):
        made.export_onnx(path)
    assert path.read_text() == "mine"
    assert made.export_onnx(path, force=True).read_bytes() != b"mine"


def test_it_can_not_be_changed(made):
    with pytest.raises(FrozenInstanceError):
        made.recipe = "another"
