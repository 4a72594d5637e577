"""A conversion on disk and back: equal in every field, good for all that the one in memory is good for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import rdpass
from rdpass.core.checksums import sealed_object
from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.core.tensors import plain_outputs
from rdpass.report.page import write_report
from rdpass.runs.folder import check_run, drop_training_state, held
from rdpass.training.checkpoint import LAST_STAGE
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import (
    PreActivation,
    SharedLayer,
    bottleneck,
    classifier,
    inverted_residual,
    seeded,
    small_resnet,
    small_resnet_of_four,
)
from tests.runs.nets import HARD_TO_SAVE
from tests.support import Untouched, error_between

FIELDS = ("recipe", "plan", "outcomes", "cuts", "cost", "gates", "history")
NETWORKS = {
    "basic blocks": (small_resnet, 3),
    "bottlenecks": (lambda: classifier(bottleneck(8, 4), bottleneck(8, 4)), 3),
    "inverted residual": (lambda: classifier(inverted_residual(4, 8), channels=4), 3),
    "pre-activation": (lambda: PreActivation(4), 4),
    "a shared layer": (SharedLayer, 4),
}
ONCE = DistillConfig(epochs=1)


def loaded_again(model: nn.Module, channels: int, out: Path, **options):
    """The conversion, and what is loaded of it."""
    torch.manual_seed(1)
    made = rdpass.convert(model, torch.randn(1, channels, 8, 8), max_macs=9, out=out, show_progress=False, **options)
    return made, rdpass.load_run(out, teacher=model)


def check_same(made: rdpass.Conversion, loaded: rdpass.Conversion, folder: Path) -> None:
    """Every field, the student's numbers and weights' names, and the bytes of the ONNX."""
    for field in FIELDS:
        assert getattr(loaded, field) == getattr(made, field), field
    assert loaded.teacher is made.teacher
    assert all(torch.equal(a, b) for a, b in zip(loaded.example, made.example, strict=True))
    mine, theirs = loaded.student.state_dict(), made.student.state_dict()
    assert {name: value.tolist() for name, value in mine.items()} == {n: value.tolist() for n, value in theirs.items()}
    weights = load_file(Path(folder) / "run" / "student.safetensors")
    assert weights.keys() == theirs.keys()
    assert all(torch.equal(weights[name], value) for name, value in theirs.items())
    assert not loaded.student.training
    assert error_between(loaded.student, made.student, *made.example) == 0
    files = [run.export_onnx(folder / f"{name}.onnx") for run, name in ((made, "made"), (loaded, "loaded"))]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(("build", "channels"), NETWORKS.values(), ids=NETWORKS)
def test_an_exact_conversion_is_loaded_as_it_was(build, channels, tmp_path):
    check_same(*loaded_again(seeded(build), channels, tmp_path / "run"), tmp_path)


@pytest.mark.parametrize("build", HARD_TO_SAVE.values(), ids=HARD_TO_SAVE)
def test_what_is_hard_to_save_is_loaded_with_the_same_numbers_in_plain_containers(build, tmp_path):
    model = seeded(build)
    before = Untouched(model)
    made, loaded = loaded_again(model, 3, tmp_path / "run")
    before.check()
    assert len(made.removed) >= 2
    for batch in (1, 3):
        x = torch.randn(batch, 3, 8, 8)
        assert error_between(loaded.student, made.student, x) == 0
        assert error_between(loaded.student, model, x) <= 1e-5
    assert made.student.state_dict().keys() == load_file(tmp_path / "run" / "student.safetensors").keys()
    outputs, plain = made.student(*made.example), loaded.student(*made.example)
    assert forms_of(plain) == forms_of(plain_outputs(outputs))
    assert set(forms_of(plain)) <= {"Tensor", "list", "tuple", "dict", "NoneType"}


def forms_of(outputs):
    """The names of all types in outputs, nested ones behind what holds them."""
    parts = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list | tuple) else ()
    return [type(outputs).__name__, *(name for part in parts for name in forms_of(part))]


@pytest.mark.parametrize("recipe", ["auto", "joint", "anneal"])
def test_a_trained_conversion_is_loaded_as_it_was(recipe, tmp_path):
    model = seeded(small_resnet_of_four)
    made, loaded = loaded_again(model, 3, tmp_path / "run", recipe=recipe, train=batches(2), config=ONCE)
    assert len(loaded.history) == 1
    check_same(made, loaded, tmp_path)


def test_a_loaded_student_learns_on_from_its_teacher_and_needs_one(tmp_path):
    model = seeded(small_resnet_of_four)
    made, loaded = loaded_again(model, 3, tmp_path / "run")
    before = Untouched(loaded.student)
    trained, other = (
        rdpass.distill(run, batches(2), DistillConfig(epochs=2), show_progress=False) for run in (loaded, made)
    )
    assert [epoch["loss"] for epoch in trained.history] == [epoch["loss"] for epoch in other.history]
    assert error_between(trained.student, other.student, *made.example) == 0
    before.check()
    alone = rdpass.load_run(tmp_path / "run")
    assert alone.teacher is None
    with pytest.raises(ConfigError, match=r"has no teacher .* rdpass\.load_run\(path, teacher=model\)"):
        rdpass.distill(alone, batches(2), show_progress=False)


@pytest.fixture
def run(tmp_path):
    rdpass.convert(seeded(small_resnet), torch.randn(1, 3, 8, 8), max_macs=9, out=tmp_path / "run")
    return tmp_path / "run"


def changed(record, **values):
    return json.dumps({**record, **values})


@pytest.mark.parametrize("damage", [
    lambda record: "{", lambda record: "[]", lambda record: changed(record, gates=[{"name": "carry"}]),
    lambda record: changed(record, plan={"regions": []}), lambda record: changed(record, cost={"macs": "many"}),
    lambda record: changed(record, history=[["loss"]]),
    lambda record: json.dumps({key: value for key, value in record.items() if key != "cuts"}),
], ids=["no JSON", "no table", "a gate", "the plan", "the cost", "the history", "no cuts"])  # fmt: skip
def test_a_damaged_record_is_named(run, damage):
    record = run / "conversion.json"
    record.write_text(damage(json.loads(record.read_text())))
    with pytest.raises(ConfigError, match=r"is not the output folder of rdpass convert: conversion\.json can't be"):
        rdpass.load_run(run)


def test_a_damaged_student_and_a_folder_that_is_none_are_named(run, tmp_path):
    with pytest.raises(ConfigError, match=r"none is not the output folder .*conversion\.json can't be read"):
        rdpass.load_run(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"teacher= takes the torch\.nn\.Module that was converted, not a str"):
        rdpass.load_run(run, teacher="resnet18")
    (run / "student.pt2").write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match=r"student\.pt2 has changed since it was written"):
        rdpass.load_run(run)
    (run / "student.pt2").unlink()
    with pytest.raises(IntegrityError, match=r"student\.pt2 is missing"):
        rdpass.load_run(run)


def test_one_flipped_bit_in_any_file_of_a_run_is_found(run):
    for name in ("conversion.json", "student.pt2", "student.safetensors", "config.toml"):
        good = (run / name).read_bytes()
        for at in (0, len(good) // 3, len(good) // 2, len(good) - 2):
            (run / name).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            for use in (rdpass.load_run, lambda folder: write_report(folder, folder.parent / "page.html")):
                with pytest.raises((ConfigError, IntegrityError), match=name.replace(".", r"\.")):
                    use(run)
        (run / name).write_bytes(good)
    rdpass.load_run(run)


def test_a_record_that_fits_and_names_what_lies_elsewhere_reads_nothing(run):
    record = json.loads((run / "conversion.json").read_text())
    del record["sha256"]
    for name in ("../x", "/dev/zero", "/etc/passwd", "none"):
        forged = sealed_object({**record, "files": {**record["files"], name: "0" * 64}})
        (run / "conversion.json").write_text(json.dumps(forged))
        with pytest.raises(IntegrityError, match="is missing"):
            rdpass.load_run(run)


def test_two_processes_do_not_write_one_run(tmp_path):
    out = tmp_path / "out"
    with held(out):
        with pytest.raises(ConfigError, match=r"another process is writing .*out; wait for it, or give another place"):
            rdpass.convert(seeded(small_resnet), torch.randn(1, 3, 8, 8), max_macs=9, out=out)
        with held(tmp_path / "other"), held(None):
            pass
    assert list(tmp_path.iterdir()) == []
    rdpass.convert(seeded(small_resnet), torch.randn(1, 3, 8, 8), max_macs=9, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_output_that_is_taken_while_the_work_goes_on_is_kept_and_so_is_the_training(tmp_path):
    out = tmp_path / "out"

    def taking():
        for batch in batches(2):
            out.mkdir(exist_ok=True)
            (out / "mine").write_text("keep")
            yield batch

    class Loader:
        def __len__(self):
            return 2

        def __iter__(self):
            return taking()

    with pytest.raises(ConfigError, match="out exists already"):
        rdpass.convert(
            seeded(small_resnet), torch.randn(1, 3, 8, 8), train=Loader(), config=ONCE, out=out, show_progress=False
        )
    assert (out / "mine").read_text() == "keep"
    assert (tmp_path / "out.partial" / "checkpoint.pt").exists()


def test_a_lock_goes_with_its_process(tmp_path):
    code = f"from rdpass.runs.folder import held\nwith held({str(tmp_path / 'out')!r}):\n    import os; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with held(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_any_stage_is_an_interrupted_run_that_is_resumed_or_dropped(tmp_path):
    out = tmp_path / "run"
    for stage in (".", LAST_STAGE, "step1", "step7"):
        state = tmp_path / "run.partial" / stage / "checkpoint.pt"
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_bytes(b"state")
        with pytest.raises(ConfigError, match="an interrupted run lies in"):
            check_run(out, None, False)
        check_run(out, "auto", False)
        check_run(out, None, True)
        drop_training_state(out)
        check_run(out, None, False)


def test_a_folder_named_with_a_slash_at_its_end_is_the_same_folder(tmp_path):
    for name in (f"{tmp_path}/run", f"{tmp_path}/run/"):
        check_run(name, "auto", False)
        with held(name):
            assert [path.name for path in tmp_path.iterdir()] == ["run.partial"]
        assert list(tmp_path.iterdir()) == []
