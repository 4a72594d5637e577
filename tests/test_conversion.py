import copy
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.errors import ConfigError, IntegrityError
from rdpass.onnx.golden import golden_path
from rdpass.runs.folder import INT8, INT8_GOLDEN
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.options import PathOptions, PruneOptions, QuantizeOptions
from tests.data import batches
from tests.models import SharedLayer, basic_block, seeded, small_resnet, small_resnet_of_four
from tests.runs.nets import Giving, ModelOutput
from tests.support import Untouched, error_between
from tests.training.support import Shuffled

ROOT = Path(__file__).parent.parent
X = torch.randn(1, 3, 9, 9)


def exact(model, example=X, **options):
    return rdpass.convert(model, example, recipe="carry", max_macs=100, **options)


def test_the_student_is_an_ordinary_module():
    model = seeded(small_resnet)
    student = exact(model).student
    for twin in (pickle.loads(pickle.dumps(student)), copy.deepcopy(student)):
        assert error_between(twin, student, X) == 0
    other = exact(seeded(small_resnet, seed=1)).student
    other.load_state_dict(student.state_dict())
    assert error_between(other, student, X) == 0


def test_the_record_names_cuts_cost_and_gates():
    conversion = exact(seeded(small_resnet))
    assert [cut.shape for cut in conversion.cuts] == [(1, 4, 9, 9), (1, 8, 5, 5)]
    assert conversion.cost.macs > conversion.plan.forecast.model.macs > 0
    names = [gate.name for gate in conversion.gates]
    assert names == ["eager-traced", "drop_checks", "absorb_padding", "carry", "fold_batch_norm"]
    assert all(gate.error <= gate.tolerance for gate in conversion.gates)
    assert len(conversion.removed) == 3


NORMS = {
    "parametrised weight norm": nn.utils.parametrizations.weight_norm,
    "parametrised spectral norm": nn.utils.parametrizations.spectral_norm,
    "weight norm by a hook": nn.utils.weight_norm,
    "spectral norm by a hook": nn.utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_a_weight_that_is_computed_at_every_call_is_folded_as_the_number_it_is(norm):
    model = seeded(small_resnet)
    norm(model[1].body[0])
    norm(model[2].shortcut[0])
    before = Untouched(model.eval())
    conversion = exact(model)
    assert [outcome.how for outcome in conversion.outcomes] == ["carried"] * 3
    assert error_between(conversion.student, model, torch.randn(2, 3, 9, 9)) <= 1e-5
    before.check()


def test_outputs_in_dicts_and_lists_stay_where_they_are():
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.head = basic_block(3, 3), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            y = self.block(x)
            return {"out": self.head(y), "auxiliary": [y, y.mean()]}

    model = seeded(Nested)
    conversion = exact(model)
    assert set(conversion.student(X)) == {"out", "auxiliary"}
    assert error_between(conversion.student, model, torch.randn(2, 3, 9, 9)) <= 1e-5


def test_two_blocks_that_share_their_layer_are_merged_each_for_itself():
    model = seeded(SharedLayer)
    before = Untouched(model)
    conversion = exact(model, torch.randn(1, 4, 8, 8))
    assert [outcome.how for outcome in conversion.outcomes] == ["merged", "merged"]
    assert error_between(conversion.student, model, torch.randn(2, 4, 8, 8)) <= 1e-5
    before.check()


def test_arguments_in_groups_are_the_same_call_as_keywords(tmp_path):
    model = seeded(small_resnet)
    flat = rdpass.convert(
        model, X, recipe="carry", max_macs=100, skip=["3.*"], out=tmp_path / "flat", show_progress=False
    )
    groups = rdpass.convert(
        model, X, recipe="carry", select=rdpass.Select(skip=["3.*"]), budget=rdpass.Budget(max_macs=100),
        output=rdpass.Output(folder=tmp_path / "groups", show_progress=False),
    )  # fmt: skip
    assert [outcome.how for outcome in groups.outcomes] == ["carried", "carried", "kept"]
    assert groups.outcomes == flat.outcomes
    assert error_between(groups.student, flat.student, X) == 0
    for name in ("conversion.json", "config.toml"):
        assert (tmp_path / "groups" / name).read_text() == (tmp_path / "flat" / name).read_text()


@pytest.mark.parametrize(("given", "message"), [
    ({"select": rdpass.Select(only=["*"]), "skip": ["add"], "leaf": []},
     r"select= and skip=, leaf= say the same thing twice: put skip, leaf into rdpass\.Select\(…\)"),
    ({"output": rdpass.Output(), "out": "run"}, r"output= and out= .*: put folder into rdpass\.Output"),
    ({"budget": rdpass.Budget(), "max_macs": 1.3}, "budget= and max_macs="),
    ({"data": rdpass.Data(), "train": None}, "data= and train="),
    ({"data": [(X, X)]}, r"data= takes a rdpass\.Data\(train, validate, loss, distance, teacher\), not a list"),
    ({"loss": "hinge"}, "no loss is called 'hinge'; known are cross_entropy"),
    ({"distance": "relativ"}, r"known are relative.*; did you mean relative\?"),
    ({"recipe": "cary"}, r"unknown recipe 'cary'; there are auto, merge, .*plain.*; did you mean carry\?"),
])  # fmt: skip
def test_what_is_said_twice_or_is_unknown_is_named(given, message):
    with pytest.raises(ConfigError, match=message):
        rdpass.convert(seeded(small_resnet), X, **given)


def test_an_unknown_keyword_is_an_error_of_python():
    with pytest.raises(TypeError, match=r"convert\(\) got an unexpected keyword argument 'maxmacs'"):
        rdpass.convert(seeded(small_resnet), X, maxmacs=2)


def test_logits_in_an_output_of_a_packages_class_are_learnt_from_batches_of_dicts():
    model = seeded(lambda: Giving(lambda logits, maps: ModelOutput(logits=logits, maps=maps)))
    batches = [{"x": torch.randn(4, 3, 8, 8), "labels": torch.randint(0, 4, (4,))} for _ in range(2)]
    before = Untouched(model)
    conversion = rdpass.convert(
        model, torch.randn(1, 3, 8, 8), recipe="kd", train=batches, validate=batches,
        config=DistillConfig(epochs=1), show_progress=False,
    )  # fmt: skip
    before.check()
    assert len(conversion.removed) == 2
    assert "accuracy" in conversion.history[-1]


IMAGES = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Ending(Shuffled):
    """Calls ``end`` before a batch, once ``file`` is a checkpoint of ``step`` steps and ``more`` more were read."""

    def __init__(self, file, step, more, end):
        super().__init__()
        self.file, self.step, self.more, self.end = file, step, more, end

    def __iter__(self):
        for batch in super().__iter__():
            if steps_in(self.file) >= self.step:
                if not self.more:
                    self.end()
                self.more -= 1
            yield batch


def steps_in(file):
    return load_checkpoint(file)["position"]["step"] if file.exists() else 0


def interrupt():
    raise KeyboardInterrupt


def trained_in_int8(out, loader, **more):
    config = DistillConfig(epochs=1, checkpoint_steps=2, quantize=QuantizeOptions(epochs=2, lr=0.2))
    return rdpass.convert(
        small_resnet_of_four(), IMAGES, recipe="migrate", quantize="int8", train=loader, validate=batches(2, seed=3),
        config=config, out=out, show_progress=False, **more,
    )  # fmt: skip


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.test_conversion import Ending, trained_in_int8
out, checkpoint = map(Path, sys.argv[1:])
trained_in_int8(out, Ending(checkpoint, 2, 1, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""


@pytest.mark.slow
def test_a_run_that_is_killed_and_interrupted_in_its_last_stage_goes_on_bit_for_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    made = trained_in_int8(whole, Shuffled())
    checkpoint = tmp_path / "parts.partial" / "int8" / "checkpoint.pt"
    command = [sys.executable, "-c", KILLED, str(parts), str(checkpoint)]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert steps_in(checkpoint) == 2  # the third is lost: one in two is saved
    assert not parts.exists()
    with pytest.raises(ConfigError, match="an interrupted run lies in"):
        trained_in_int8(parts, Shuffled())
    with pytest.raises(KeyboardInterrupt):
        trained_in_int8(parts, Ending(checkpoint, 4, 1, interrupt), resume="auto")
    assert steps_in(checkpoint) == 5
    again = trained_in_int8(parts, Shuffled(), resume="auto")
    assert not (tmp_path / "parts.partial").exists()
    names = sorted(str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file())
    assert names == sorted([
        "config.toml", "conversion.json", "history.jsonl", "int8/history.jsonl", "network.svg",
        "student-int8.golden.npz", "student-int8.onnx", "student.pt2", "student.safetensors",
    ])  # fmt: skip
    assert golden_path(whole / INT8).name == INT8_GOLDEN
    for name in ("student-int8.onnx", "student.safetensors", "config.toml", "history.jsonl", "int8/history.jsonl"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert again.int8 == made.int8
    assert again.gates == made.gates
    loaded = rdpass.load_run(whole)
    assert loaded.int8 == made.int8
    assert all((a == b).all() for a, b in zip(loaded.int8.golden.outputs, made.int8.golden.outputs, strict=True))
    # Both are under the record's digests.
    (parts / "student-int8.onnx").write_bytes(b"")
    with pytest.raises(IntegrityError, match=r"student-int8\.onnx has changed"):
        rdpass.load_run(parts)


def test_a_network_whose_shortcuts_stay_is_trained_in_int8_as_it_is():
    model = small_resnet_of_four()
    before = Untouched(model)
    config = DistillConfig(quantize=QuantizeOptions(epochs=1))
    result = rdpass.convert(
        model, IMAGES, skip=["*"], quantize="int8", train=batches(2), config=config, show_progress=False
    )
    before.check()
    assert result.removed == ()
    assert result.history == ()
    assert len(result.int8.report.training.history) == 1
    assert error_between(result.student, model, IMAGES) < 1e-5
    assert sum(node.op_type == "Add" for node in result.int8.model.graph.node) == 2
    assert [gate.name for gate in result.gates][-2:] == ["int8-start", "int8-trained"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quantize": "int4", "train": batches(1)}, "quantize is 'int8' or left out, not 'int4'"),
        ({"quantize": "int8"}, "trains: give it data"),
        ({"quantize": "int8", "train": iter(batches(1))}, "an iterator can't be read again"),
        ({"quantize": "int8", "train": batches(1), "validate": iter(batches(1))}, "an iterator can't be read again"),
    ],
)
def test_int8_without_data_that_can_be_read_again_is_refused_before_anything_starts(given, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        rdpass.convert(small_resnet_of_four(), IMAGES, out=tmp_path / "run", **given)
    assert list(tmp_path.iterdir()) == []


def pruned_and_original():
    original, example = seeded(lambda: small_resnet_of_four()), torch.randn(1, 3, 8, 8)
    narrow = rdpass.convert(
        original, example, recipe="prune", train=batches(1), show_progress=False,
        config=DistillConfig(epochs=1, prune=PruneOptions(multiple=2)),
    )  # fmt: skip
    return narrow.student, original, example


def test_a_pruned_network_loses_its_shortcuts_and_learns_from_the_one_that_it_came_from():
    narrow, original, example = pruned_and_original()
    before = [Untouched(module) for module in (narrow, original)]
    once = DistillConfig(epochs=1, clip=1.0, prune=PruneOptions(multiple=1))

    def plain(recipe, **data):
        return rdpass.convert(
            narrow, example, recipe=recipe, train=batches(2), validate=batches(1, seed=1), config=once,
            show_progress=False, **data,
        )  # fmt: skip

    for recipe in ("migrate", "kd", "prune"):
        taught, alone = plain(recipe, teacher=original), plain(recipe)
        assert (len(taught.removed) == 2) == (recipe != "prune")
        assert taught.cost.macs == alone.cost.macs <= taught.plan.forecast.model.macs
        assert taught.history[0]["loss.teacher"] > 0
        assert not any(name.startswith("loss.mixed") for name in taught.history[0])
        assert taught.history != alone.history
        top1 = [conversion.compared[0].teacher.value for conversion in (taught, alone)]
        with torch.no_grad():
            images, labels = batches(1, seed=1)[0]
            wanted = [float((module(images).argmax(1) == labels).float().mean() * 100) for module in (original, narrow)]
        assert top1 == pytest.approx(wanted)
    for each in before:
        each.check()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"recipe": "carry"}, "carry trains nothing"),
        ({"config": DistillConfig(paths=PathOptions(mixed=True))}, "another teacher is given"),
        ({"config": DistillConfig(paths=PathOptions(features=0.1))}, "another teacher is given"),
        ({"teacher": nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 7))}, r"\(1, 7\).*\(1, 4\)"),
    ],
)
def test_another_teacher_that_can_not_teach_is_refused_before_anything_is_trained(more, message):
    def never():
        raise AssertionError("the data were read")
        yield

    model = small_resnet_of_four()
    given = {"recipe": "migrate", "train": never(), "teacher": model, **more}
    given["config"] = given.get("config", DistillConfig()).model_copy(update={"batches": 1})
    with pytest.raises(ConfigError, match=message):
        rdpass.convert(model, torch.randn(1, 3, 8, 8), show_progress=False, **given)
