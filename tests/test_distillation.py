import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.evaluation import accuracy
from tests.data import batches
from tests.models import basic_block, classifier, seeded
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)


def teacher(epochs=6):
    model = seeded(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2), classes=4))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        for images, labels in batches():
            optimiser.zero_grad()
            nn.functional.cross_entropy(model.train()(images), labels).backward()
            optimiser.step()
    return model.eval()


def migrated(model, **options):
    settings = {"config": DistillConfig(epochs=4, lr=0.05), "show_progress": False, "train": batches(), **options}
    return rdpass.convert(model, EXAMPLE, recipe="migrate", **settings)


def test_migrate_gives_a_plain_student_that_knows_what_its_teacher_knows():
    model = teacher()
    before = Untouched(model)
    validation = batches(seed=1)
    conversion = migrated(model, validate=validation)
    assert [outcome.how for outcome in conversion.outcomes] == ["distilled"] * 2
    assert take_census(trace(conversion.student, EXAMPLE)) == ((), ())
    assert accuracy(model, validation) > 90
    assert accuracy(conversion.student, validation) > 80
    assert conversion.history[-1]["accuracy"] == pytest.approx(accuracy(conversion.student, validation), abs=1.0)
    assert {gate.name for gate in conversion.gates} >= {"eager-traced", "migrate-start", "fold_branches"}
    before.check()


def test_auto_trains_with_data_and_is_exact_without():
    model = teacher(epochs=1)
    one = DistillConfig(epochs=1)
    trained = rdpass.convert(model, EXAMPLE, train=batches(2), config=one, show_progress=False)
    assert trained.recipe == "migrate"
    exact = rdpass.convert(model, EXAMPLE, max_macs=10)
    assert exact.recipe == "carry"
    assert error_between(exact.student, model, torch.randn(4, 3, 8, 8)) <= 1e-5


def test_shortcuts_left_out_stay_and_the_rest_migrates():
    conversion = migrated(teacher(epochs=1), skip=("add_1",), config=DistillConfig(epochs=1))
    assert [outcome.how for outcome in conversion.outcomes] == ["distilled", "kept"]
    regions, _ = take_census(trace(conversion.student, EXAMPLE))
    assert [region.kind for region in regions] == ["projection"]


def test_the_same_seed_gives_the_same_student_and_another_does_not():
    model = teacher(epochs=1)
    train = ShuffledBatches()
    first, second = (migrated(model, train=train, config=DistillConfig(epochs=1)) for _ in range(2))
    other = migrated(model, train=train, config=DistillConfig(epochs=1, seed=1))
    assert error_between(first.student, second.student, EXAMPLE) == 0
    assert error_between(first.student, other.student, EXAMPLE) > 0


class ShuffledBatches:
    def __len__(self):
        return 8

    def __iter__(self):
        made = batches()
        for index in torch.randperm(8).tolist():
            yield made[index]


class StopsAfter(ShuffledBatches):
    """Interrupts, as Ctrl-C would, in the middle of its ``epochs``-th pass."""

    def __init__(self, epochs):
        self.passes, self.epochs = 0, epochs

    def __iter__(self):
        self.passes += 1
        for index, batch in enumerate(super().__iter__()):
            if self.passes == self.epochs and index == 3:
                raise KeyboardInterrupt
            yield batch


def test_an_interrupted_run_resumes_bit_for_bit(tmp_path):
    model = teacher(epochs=1)
    whole = migrated(model, train=ShuffledBatches(), out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        migrated(model, train=StopsAfter(3), out=tmp_path / "run")
    assert (tmp_path / "run.partial" / "checkpoint.pt").exists()
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="resume auto"):
        migrated(model, train=ShuffledBatches(), out=tmp_path / "run")
    resumed = migrated(model, train=ShuffledBatches(), out=tmp_path / "run", resume="auto")
    assert resumed.history == whole.history
    for name, value in whole.student.state_dict().items():
        assert torch.equal(value, resumed.student.state_dict()[name]), name
    assert not (tmp_path / "run.partial").exists()


def test_a_run_is_not_resumed_with_other_settings(tmp_path):
    model = teacher(epochs=1)
    with pytest.raises(KeyboardInterrupt):
        migrated(model, train=StopsAfter(2), out=tmp_path / "run")
    with pytest.raises(ConfigError, match="other settings"):
        migrated(model, out=tmp_path / "run", resume="auto", config=DistillConfig(epochs=9))


def test_distil_trains_a_conversion_further_and_leaves_it_as_it_was():
    conversion = migrated(teacher(), config=DistillConfig(epochs=1, lr=0.005))
    before = Untouched(conversion.student)
    longer = rdpass.distill(conversion, batches(), DistillConfig(epochs=3, lr=0.02), show_progress=False)
    before.check()
    assert len(longer.history) == 4
    assert longer.history[-1]["loss"] < longer.history[1]["loss"]
    assert take_census(trace(longer.student, EXAMPLE)) == ((), ())


def poisoned(value):
    made = batches(4)
    made[2][0][0, 0, 0, 0] = value
    return made


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([], "empty"),
        ((batch for batch in batches(2)), "no length"),
        (poisoned(float("nan")), "batch 2 holds inputs that are not finite"),
        (poisoned(float("inf")), "batch 2"),
        ([{"image": 1}], "is not \\(inputs, targets\\)"),
    ],
    ids=["empty", "generator", "nan", "inf", "dict"],
)
def test_data_that_cannot_be_used_stop_the_run_with_the_batch(train, message):
    with pytest.raises(DivergedError, match=message):
        migrated(teacher(epochs=0), train=train)


def test_a_loss_that_diverges_stops_the_run_and_leaves_no_folder(tmp_path):
    with pytest.raises(DivergedError, match="at step"):
        migrated(teacher(epochs=0), config=DistillConfig(epochs=4, lr=1e6), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.a, self.b = basic_block(3, 3), nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = self.block(x)
        return self.a(x), self.b(x)


def test_a_model_without_one_tensor_of_logits_is_refused_without_a_loss_of_its_own():
    with pytest.raises(ConfigError, match="this one gave tuple; pass loss"):
        migrated(seeded(TwoHeads))


class Named(TwoHeads):
    def forward(self, x):
        a, b = super().forward(x)
        return {"a": a, "b": [b, a.argmax(1)]}


@pytest.mark.parametrize(("build", "pick"), [(TwoHeads, lambda out: out), (Named, lambda out: (out["a"], out["b"][0]))])
@pytest.mark.parametrize("own_distance", [True, False])
def test_outputs_in_tuples_and_dicts_are_distilled_by_a_loss_of_the_users(build, pick, own_distance):
    model = seeded(build)
    before = Untouched(model)
    with torch.no_grad():
        train = [{"x": images, "maps": pick(model(images)), "unused": labels} for images, labels in batches()]

    def loss(outputs, batch):
        assert batch.targets.keys() == {"maps", "unused"}
        pairs = zip(pick(outputs), batch.targets["maps"], strict=True)
        return sum(nn.functional.mse_loss(out, wanted) for out, wanted in pairs)

    def distance(outputs, wanted):
        return nn.functional.l1_loss(pick(outputs)[1], pick(wanted)[1])

    conversion = migrated(model, train=train, validate=train, loss=loss, distance=distance if own_distance else None)
    assert take_census(trace(conversion.student, EXAMPLE)) == ((), ())
    last = conversion.history[-1]["validation_loss"]
    spread = sum(float(out.detach().var()) for out in pick(model(train[0]["x"])))
    assert 0 < last < 0.5 * spread
    longer = rdpass.distill(
        conversion, train, DistillConfig(epochs=3, lr=0.02), validate=train, loss=loss, show_progress=False
    )
    assert longer.history[-1]["validation_loss"] < last
    before.check()


def bright_pixels(count=8, seed=0):
    """Images with a bright square, and per pixel whether it lies in it: 0, 1, or 255 where that does not count."""
    made = []
    for images, labels in batches(count, seed=seed):
        masks = torch.zeros(len(images), 8, 8, dtype=torch.long)
        for mask, label in zip(masks, labels.tolist(), strict=True):
            mask[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] = 1
        masks[:, 0, 0] = 255
        made.append((images, masks))
    return made


class Segmenter(nn.Module):
    """Down to half the resolution through residual blocks, and up again: logits per pixel under ``out``."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(basic_block(8, 8), basic_block(8, 16, 2), basic_block(16, 16))
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        maps = self.head(self.blocks(self.stem(x)))
        return {"out": nn.functional.interpolate(maps, scale_factor=2, mode="bilinear")}


def pixel_loss(outputs, batch):
    return nn.functional.cross_entropy(outputs["out"], batch.targets, ignore_index=255)


def pixel_distance(outputs, wanted):
    student, teacher = outputs["out"].log_softmax(1), wanted["out"].log_softmax(1)
    return nn.functional.kl_div(student, teacher, log_target=True, reduction="none").sum(1).mean()


def pixel_accuracy(model, data):
    with torch.no_grad():
        right = [(model.eval()(images)["out"].argmax(1) == masks)[masks != 255] for images, masks in data]
    return 100 * torch.cat(right).float().mean().item()


def test_a_segmentation_network_is_distilled_per_pixel():
    torch.manual_seed(0)
    model = Segmenter()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(6):
        for images, masks in bright_pixels():
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images)["out"], masks, ignore_index=255).backward()
            optimiser.step()
    before = Untouched(model.eval())
    held_out = bright_pixels(4, seed=1)
    conversion = migrated(model, train=bright_pixels(), validate=held_out, loss=pixel_loss, distance=pixel_distance)
    assert [outcome.how for outcome in conversion.outcomes] == ["distilled"] * 3
    assert take_census(trace(conversion.student, EXAMPLE)) == ((), ())
    teachers = pixel_accuracy(model, held_out)
    assert teachers > 80  # three quarters of the pixels are dark
    assert pixel_accuracy(conversion.student, held_out) > teachers - 5
    assert conversion.history[-1]["validation_loss"] < 0.5
    before.check()


def test_maps_of_logits_are_distilled_per_position_also_from_a_frozen_model():
    model = seeded(lambda: nn.Sequential(basic_block(3, 3), nn.Conv2d(3, 4, 1))).requires_grad_(False)
    train = [(images, torch.randint(0, 4, (len(images), 8, 8))) for images, _ in batches(4)]
    conversion = migrated(model, train=train, validate=train, config=DistillConfig(epochs=2, lr=0.01))
    assert conversion.student(EXAMPLE).shape == (1, 4, 8, 8)
    assert 0 < conversion.history[-1]["accuracy"] < 100
    assert take_census(trace(conversion.student, EXAMPLE)) == ((), ())


def test_batches_without_labels_are_distilled_from_the_teacher_alone():
    conversion = migrated(teacher(), train=[images for images, _ in batches()], config=DistillConfig(epochs=2))
    assert accuracy(conversion.student, batches(seed=1)) > 60


SLOW_DATA = """
import time
from tests.data import batches
class Slow(list):
    def __iter__(self):
        for batch in super().__iter__():
            time.sleep(0.3)
            yield batch
def loader(): return Slow(batches())
def quick(): return batches()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_command_with_their_code_and_what_was_saved_goes_on(monkeypatch, tmp_path, number, code):
    (tmp_path / "slow_data.py").write_text(SLOW_DATA)
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "rdpass", "convert", "tests.models:small_resnet_of_four", "--data",
               "slow_data:loader", "--epochs", "3", "-o", str(tmp_path / "run")]  # fmt: skip
    environment = {
        "PYTHONPATH": f"{root}:{tmp_path}",
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=root, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 1/"):
            time.sleep(1.0)
            process.send_signal(number)
            break
    rest = process.stderr.read()
    assert process.wait(60) == code, rest
    assert not (tmp_path / "run").exists()
    position = load_checkpoint(tmp_path / "run.partial" / "checkpoint.pt")["position"]
    assert position["epoch"] == 1
    assert position["consumed"] > 0
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_data", raising=False)
    again = [argument.replace("slow_data:loader", "slow_data:quick") for argument in command[3:]]
    assert run([*again, "--resume", "auto"]) == 0
    assert run([*again[:-1], str(tmp_path / "whole")]) == 0
    assert not (tmp_path / "run.partial").exists()
    students = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("run", "whole")]
    assert students[0] == students[1]
