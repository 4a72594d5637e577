"""What can't be saved is known before a student is trained, by a process that knows nothing of the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import rdpass
from rdpass.conversion import convert
from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError, ParityError
from rdpass.core.tensors import arrays_of, tensors_in
from rdpass.runs import rehearsal
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import seeded, small_resnet_of_four
from tests.runs.nets import HARD_TO_SAVE
from tests.support import Untouched

ONCE = DistillConfig(epochs=1)
X = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
READ_ELSEWHERE = rehearsal.read_elsewhere
"""As users have it; the suite reads runs where it is."""


@torch.library.custom_op("rdpass_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x + x


@doubled.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


class OwnOperator(nn.Module):
    def forward(self, x):
        return torch.ops.rdpass_tests.doubled(x)


def with_own_operator():
    return nn.Sequential(OwnOperator(), small_resnet_of_four())


class Untrained:
    """Data that nobody may ask for more than the recipe's statistics take, one batch."""

    def __init__(self):
        self.asked = 0

    def __len__(self):
        return 50

    def __iter__(self):
        for batch in batches(50):
            self.asked += 1
            yield batch


@pytest.mark.parametrize("recipe", ["auto", "anneal", "joint", "kd"])
def test_what_only_its_own_operators_can_read_is_refused_before_the_training(recipe, tmp_path):
    model, data = seeded(with_own_operator), Untrained()
    before = Untouched(model)
    settings = DistillConfig(epochs=1, student={"statistics_images": 16})
    with pytest.raises(
        ConfigError, match=r"its operator 'torch\.ops\.rdpass_tests\.doubled\.default' is none of ATen's"
    ):
        convert(model, X, recipe=recipe, train=data, config=settings, out=tmp_path / "run", show_progress=False)
    before.check()
    assert data.asked <= 2
    assert list(tmp_path.iterdir()) == []


def test_an_exact_student_that_can_not_be_read_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="is none of ATen's"):
        convert(seeded(with_own_operator), X, max_macs=9, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    assert len(convert(seeded(with_own_operator), X, max_macs=9).removed) == 2  # nothing is saved


def test_a_student_that_is_read_with_other_numbers_is_refused_before_the_training(tmp_path, monkeypatch):
    data = Untrained()
    monkeypatch.setattr(rehearsal, "read_elsewhere", lambda folder: [np.zeros((1, 4), np.float32)])
    with pytest.raises(ParityError, match="saved: output 0 differs"):
        convert(seeded(small_resnet_of_four), X, train=data, config=ONCE, out=tmp_path / "run", show_progress=False)
    assert data.asked <= 17  # statistics of 256 images
    assert list(tmp_path.iterdir()) == []


class LooksAtNumbers(nn.Module):
    """Kept whole, it works; torch.export does not follow."""

    def forward(self, x):
        return x if float(x.sum()) > 0 else -x


def test_a_module_that_was_left_whole_and_can_not_be_written_is_named_before_the_training(tmp_path):
    model, data = seeded(lambda: nn.Sequential(LooksAtNumbers(), small_resnet_of_four())), Untrained()
    with pytest.raises(ConfigError, match=r"can't be saved as a program: .*PyTorch's own operators"):
        convert(model, X, leaf=["0"], train=data, config=ONCE, out=tmp_path / "run", show_progress=False)
    assert data.asked <= 17
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", ["migrate", "plain"])
def test_the_rehearsal_leaves_the_training_as_it_is(recipe, tmp_path):
    data, config = batches(3), DistillConfig(epochs=1, lr=0.01)
    torch.manual_seed(5)
    saved, bare = (
        convert(seeded(small_resnet_of_four), X, recipe=recipe, train=data, config=config, out=out, show_progress=False)
        for out in (tmp_path / "run", None)
    )
    drop = ("seconds", "images_per_second")
    histories = [[{k: v for k, v in epoch.items() if k not in drop} for epoch in r.history] for r in (saved, bare)]
    assert histories[0] == histories[1]
    assert all(torch.equal(a, b) for a, b in zip(saved.student.parameters(), bare.student.parameters(), strict=True))
    assert [gate.name for gate in saved.gates] == [*(gate.name for gate in bare.gates), "saved"]
    assert saved.gates[-1].error <= saved.gates[-1].tolerance == 1e-5


def logits_of(outputs, batch):
    return F.cross_entropy(tensors_in(outputs)[0].flatten(1)[:, :4], batch.targets)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("a list", "joint"), ("exported, a model's output", "auto"), ("exported, a head on two scales", "auto"),
        ("one block twice", "joint"), ("standardised weights", "auto"), ("no running statistics", "joint"),
    ],
)  # fmt: skip
def test_what_is_hard_to_save_is_rehearsed_trained_and_loaded(name, recipe, tmp_path):
    made = convert(
        seeded(HARD_TO_SAVE[name]), X, recipe=recipe, train=batches(1), loss=logits_of, config=ONCE,
        out=tmp_path / "run", show_progress=False,
    )  # fmt: skip
    again = rdpass.load_run(tmp_path / "run")
    assert again.gates == made.gates
    assert made.gates[-1].name == "saved"
    with torch.no_grad():
        pairs = zip(arrays_of(again.student(X)), arrays_of(made.student(X)), strict=True)
        assert max(relative_error(a, b) for a, b in pairs) == 0


PACKAGE = """
import torch
from torch import nn
from torch.utils import _pytree

class Output(dict):
    pass

_pytree.register_pytree_node(
    Output, lambda o: (list(o.values()), list(o)), lambda v, k: Output(zip(k, v)), serialized_type_name="theirs.Output"
)

class Act(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.7 * x)

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.act = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1), Act()
    def forward(self, x):
        return self.act(x + self.b(self.act(self.a(x))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.blocks, self.head = nn.Conv2d(3, 4, 1), nn.Sequential(Block(), Block()), nn.Linear(4, 4)
    def forward(self, x):
        if x.shape[-1] % 2:
            raise ValueError("odd")
        maps = self.blocks(self.stem(x))
        return Output(logits=self.head(maps.mean((2, 3))), maps=(maps,))

def net():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # what a module of theirs may do to the process
    return Net().float().eval()

def data():
    return [(torch.randn(4, 3, 8, 8, dtype=torch.float32), torch.arange(4))] * 2

def loss(outputs, batch):
    return nn.functional.cross_entropy(outputs["logits"], batch.targets)
"""
READ = """
import sys, numpy, torch, rdpass
run = rdpass.load_run(sys.argv[1])
with torch.no_grad():
    outputs = run.student(*run.example)
assert type(outputs) is dict and list(outputs) == ["logits", "maps"] and type(outputs["maps"]) is tuple
assert "theirs" not in sys.modules
numpy.save(sys.argv[2], outputs["logits"].numpy())
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--max-macs", "9"], ["--data", "theirs:data", "--loss", "theirs:loss"]])
def test_a_run_of_a_users_package_is_read_where_the_package_is_not(options, tmp_path):
    (tmp_path / "theirs.py").write_text(PACKAGE)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    trained = ["--epochs", "1"] if "--data" in options else []
    command = ["convert", "theirs:net", "--input", "1x3x8x8", *options, *trained, "-o", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "rdpass", *command], env={**os.environ, "PYTHONPATH": paths}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (tmp_path / "theirs.py").unlink()
    subprocess.run([sys.executable, "-c", READ, tmp_path / "run", tmp_path / "y.npy"], check=True)
    gate = json.loads((tmp_path / "run" / "conversion.json").read_text())["gates"][-1]
    assert gate["name"] == "saved"
    here = rdpass.load_run(tmp_path / "run")
    with torch.no_grad():
        wanted = here.student(*here.example)["logits"].numpy()
    assert relative_error(np.load(tmp_path / "y.npy"), wanted) <= 1e-6


def test_what_a_fresh_process_says_is_passed_on(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(ConfigError, match=r"not be read in a fresh process: .*is not the output folder of rdpass conv"):
        READ_ELSEWHERE(tmp_path / "run")


def test_no_interpreter_is_a_word_and_not_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(Path(tmp_path) / "none"))
    with pytest.raises(ConfigError, match="can't be started: No such file"):
        READ_ELSEWHERE(tmp_path / "run")
