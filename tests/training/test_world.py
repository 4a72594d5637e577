"""Two processes under torchrun train what one does on the same batches."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import rdpass
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.records import read_history
from tests.training.support import distance, network, objective, trained

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {"epochs": 3, "lr": 0.02, "clip": 5.0}

TRAIN = """
import os, sys
from pathlib import Path
import torch
from tests.data import batches
from tests.training.support import network, objective, trained
from tests.training.test_world import SETTINGS, loader

folder = Path(sys.argv[1])
made, history = trained(loader(), of=objective(network(0.0)), checkpoint=folder / "checkpoint.pt",
                        resume="resume" in sys.argv, log_steps=1, **SETTINGS)
rank = os.environ.get("RANK", "0")
torch.save({"student": made.student.state_dict(), "history": history}, folder / f"done{rank}.pt")
"""


class Slow(list):
    def __iter__(self):
        for batch in super().__iter__():
            time.sleep(float(os.environ.get("PAUSE", 0)))
            yield batch


def loader():
    """Batches of odd and unequal sizes."""
    from tests.data import batches

    whole = batches(6, 9)
    return Slow([*whole[:-1], (whole[-1][0][:5], whole[-1][1][:5])])


def torchrun(script, *arguments, **environment):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    return str(path)


@pytest.mark.slow
def test_two_processes_train_what_one_does_batch_norms_included(tmp_path, script):
    finish(torchrun(script, tmp_path))
    alone, history = trained(loader(), of=objective(network(0.0)), **SETTINGS)
    untrained = objective(network(0.0))
    results = [torch.load(tmp_path / f"done{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name, value in results[0]["student"].items():
        assert torch.equal(value, results[1]["student"][name]), name
    together = objective(network(0.0))
    together.student.load_state_dict(results[0]["student"])
    assert distance(alone, together) <= 1e-5 < 0.01 < distance(alone, untrained)
    for one, two in zip(history, results[0]["history"], strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    assert [line["step"] for line in read_history(tmp_path / "history.jsonl") if line["kind"] == "step"] == [
        *range(1, 19)
    ]


@pytest.mark.slow
def test_two_processes_stop_at_one_step_when_told_to_and_go_on_bit_for_bit(tmp_path, script):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    finish(torchrun(script, whole))
    process = torchrun(script, parts, PAUSE="0.2")
    while len(read_history(parts / "history.jsonl")) < 4:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert 4 <= load_checkpoint(parts / "checkpoint.pt")["position"]["step"] < 18
    finish(torchrun(script, parts, "resume"))
    first, second = (torch.load(folder / "done0.pt", weights_only=True) for folder in (whole, parts))
    assert first["history"] == second["history"]
    for name, value in first["student"].items():
        assert torch.equal(value, second["student"][name]), name


CONVERT = """
import os, sys
import torch, rdpass
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import small_resnet_of_four

done = rdpass.convert(small_resnet_of_four(), torch.randn(1, 3, 8, 8), train=batches(4), validate=batches(3, seed=1),
                      recipe="migrate", config=DistillConfig(epochs=2, quantize={"epochs": 2, "lr": 0.2}),
                      quantize="int8", out=sys.argv[1])
state = {"student": done.student.state_dict(), "int8": done.int8.model.SerializeToString(deterministic=True)}
torch.save(state, f"{sys.argv[1]}.{os.environ['RANK']}.pt")
"""


@pytest.mark.slow
def test_a_conversion_under_torchrun_leaves_one_folder_and_the_same_student_everywhere_in_int8_too(tmp_path):
    path = tmp_path / "convert.py"
    path.write_text(CONVERT)
    finish(torchrun(str(path), tmp_path / "run"))
    states = [torch.load(tmp_path / f"run.{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name, value in states[0]["student"].items():
        assert torch.equal(value, states[1]["student"][name]), name
    assert states[0]["int8"] == states[1]["int8"]
    assert (tmp_path / "run" / "student.pt2").exists()
    assert rdpass.load_run(tmp_path / "run").int8.model.SerializeToString(deterministic=True) == states[0]["int8"]
    steps = [line["step"] for line in read_history(tmp_path / "run" / "int8" / "history.jsonl")]
    assert steps[-1] == 8
    assert not (tmp_path / "run.partial").exists()
