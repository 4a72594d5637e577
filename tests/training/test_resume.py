"""A run that was interrupted, killed or lost a file goes on as if nothing had happened, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from rdpass.core.errors import ConfigError
from rdpass.training.checkpoint import load_checkpoint, previous, save_checkpoint
from rdpass.training.generators import seed_generators
from rdpass.training.records import read_history
from tests.data import batches
from tests.training.support import Shuffled, assert_same, network, objective, trained

ROOT = Path(__file__).parent.parent.parent


class Stops(Shuffled):
    """Raises what it is told to before its ``at``-th batch of all."""

    def __init__(self, at, error=KeyboardInterrupt):
        super().__init__()
        self.left, self.error = at, error

    def __iter__(self):
        for batch in super().__iter__():
            if not self.left:
                raise self.error
            self.left -= 1
            yield batch


@pytest.mark.parametrize("at", [0, 1, 4, 6, 9, 11])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_an_interrupted_run_goes_on_bit_for_bit_also_from_the_middle_of_an_epoch(tmp_path, at, accumulate):
    whole, history = trained(accumulate=accumulate)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(at), checkpoint=path, accumulate=accumulate)
    done = load_checkpoint(path)["position"]
    assert done["epoch"] * 6 + done["consumed"] == min(at // 6 * 6 + at % 6 // accumulate * accumulate, at)
    resumed, again = trained(checkpoint=path, resume=True, accumulate=accumulate)
    assert again == history
    assert_same(whole, resumed)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_does_not_wait_for_a_loader_that_hangs_and_its_handler_is_put_back(tmp_path, number, error):
    class Hanging(Shuffled):
        def __iter__(self):
            for count, batch in enumerate(super().__iter__()):
                if count == 3:
                    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
                    time.sleep(60)
                yield batch

    before = signal.getsignal(number)
    start = time.monotonic()
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(error) as raised:
        trained(Hanging(), checkpoint=path)
    assert time.monotonic() - start < 30
    if error is SystemExit:
        assert raised.value.code == 143
    assert signal.getsignal(number) is before
    assert load_checkpoint(path)["position"]["consumed"] == 3
    resumed, history = trained(checkpoint=path, resume=True)
    whole, wanted = trained()
    assert history == wanted
    assert_same(resumed, whole)


def test_a_signal_amid_a_step_waits_for_its_end(tmp_path):
    class Signalled(type(objective())):
        steps = 0

        def forward(self, batch):
            self.steps += 1
            if self.steps == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().forward(batch)

    path = tmp_path / "checkpoint.pt"
    made = objective()
    made.__class__, made.steps = Signalled, 0
    with pytest.raises(SystemExit):
        trained(of=made, checkpoint=path)
    assert made.steps == load_checkpoint(path)["position"]["step"] == 5
    resumed, _ = trained(checkpoint=path, resume=True)
    assert_same(resumed, trained()[0])


def test_what_the_caller_draws_is_neither_changed_nor_does_it_change_the_run():
    made, again = objective(), objective()
    seed_generators(5)
    wanted = torch.rand(3), random.random(), np.random.rand()
    seed_generators(5)
    trained(of=made)
    assert torch.equal(torch.rand(3), wanted[0])
    assert (random.random(), np.random.rand()) == wanted[1:]
    trained(of=again)
    assert_same(made, again)


def test_a_loader_with_a_generator_of_its_own_goes_on_where_it_was(tmp_path):
    images, labels = (torch.cat(parts) for parts in zip(*batches(6, 8), strict=True))

    def loader():
        return DataLoader(
            TensorDataset(images, labels), 8, shuffle=True, generator=torch.Generator().manual_seed(3), drop_last=True
        )

    whole, _ = trained(loader(), epochs=3)
    path = tmp_path / "checkpoint.pt"
    stopping = Interrupting(loader(), 10)
    with pytest.raises(KeyboardInterrupt):
        trained(stopping, epochs=3, checkpoint=path)
    resumed, _ = trained(Interrupting(loader(), -1), epochs=3, checkpoint=path, resume=True)
    assert_same(whole, resumed)


class Augmented(Dataset):
    """Disturbs its images by torch's generator, which in a worker is the worker's."""

    def __init__(self):
        self.images, self.labels = (torch.cat(parts) for parts in zip(*batches(6, 8), strict=True))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index] + 0.1 * torch.randn(3, 8, 8), self.labels[index]


@pytest.mark.slow
def test_worker_processes_repeat_what_they_drew(tmp_path):
    def loader():
        return DataLoader(Augmented(), 8, shuffle=True, num_workers=2)

    whole, _ = trained(loader())
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Interrupting(loader(), 9), checkpoint=path)
    resumed, _ = trained(Interrupting(loader(), -1), checkpoint=path, resume=True)
    assert_same(whole, resumed)


class Interrupting:
    def __init__(self, loader, at):
        self.loader, self.left, self.generator = loader, at, loader.generator

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield batch


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole, history = trained(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(15), checkpoint=path, epochs=3)
    path.write_bytes(path.read_bytes()[:1000])
    resumed, again = trained(checkpoint=path, resume=True, epochs=3)
    assert again == history
    assert_same(whole, resumed)


def test_two_generations_are_kept_and_what_a_killed_writer_left_goes(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for number in range(3):
        save_checkpoint(path, {"number": number})
    stale = tmp_path / ".checkpoint.pt.abcd1234.tmp"
    stale.mkdir()
    assert load_checkpoint(path)["number"] == 2
    assert not stale.exists()
    path.unlink()
    assert load_checkpoint(path)["number"] == 1
    previous(path).write_bytes(b"torn")
    with pytest.raises(ConfigError, match="not a readable checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("scale", "settings", "message"),
    [(1.0, {"lr": 0.5}, r"other settings \(lr\)"), (2.0, {}, "a model with other weights")],
    ids=["settings", "model"],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, scale, settings, message):
    path = tmp_path / "checkpoint.pt"
    trained(checkpoint=path, epochs=1)
    model = network()
    with torch.no_grad():
        model[0][0].weight.mul_(scale)
    with pytest.raises(ConfigError, match=message):
        trained(checkpoint=path, resume=True, of=objective(model), **{"epochs": 1, **settings})


def test_a_generator_trains_but_is_not_resumed(tmp_path):
    endless = (batch for _ in range(9) for batch in batches(2, 8))
    _, history = trained(endless, batches=3)
    assert len(history) == 2
    trained(checkpoint=tmp_path / "c.pt")
    with pytest.raises(ConfigError, match="can't be read again"):
        trained(iter(batches()), batches=3, checkpoint=tmp_path / "c.pt", resume=True)


def test_the_history_has_every_logged_step_once_also_after_a_resume(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stops(8), checkpoint=path, log_steps=1, checkpoint_steps=5)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"kind": "step", "step": 11, "loss": 9.0}\n{"kind": "st')
    trained(checkpoint=path, resume=True, log_steps=1)
    lines = read_history(tmp_path / "history.jsonl")
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 13))
    assert [line["step"] for line in lines if line["kind"] == "epoch"] == [6, 12]
    first = lines[0]
    assert first["loss"] == pytest.approx(first["loss.task"] + first["loss.teacher"])
    assert first["gradient_norm"] > 0
    assert 0 < first["lr"] <= 0.02


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from rdpass.training.checkpoint import load_checkpoint
from rdpass.core.errors import ConfigError
from rdpass.training.records import read_history
from tests.training.support import trained

KILLS, EVERY = 20, 3
folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
path = folder / "checkpoint.pt"

def work():
    made, history = trained(checkpoint=path, resume=True, epochs=40, checkpoint_steps=EVERY, log_steps=1)
    torch.save({"student": made.student.state_dict(), "history": history}, folder / "done.pt")
    os._exit(0)

def saved():
    try:
        return load_checkpoint(path)["position"]["step"]
    except ConfigError:
        return 0

kills = reached = 0
while True:
    child = os.fork()
    if not child:
        work()
    if kills < KILLS:
        lines = (folder / "history.jsonl").stat().st_size if kills else 0
        while not (folder / "history.jsonl").exists() or (folder / "history.jsonl").stat().st_size <= lines:
            time.sleep(0.002)  # until it has taken a step
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        kills += 1
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        break
    logged = int(read_history(folder / "history.jsonl")[-1]["step"])
    now = saved()
    assert now >= reached, "a checkpoint was lost"
    assert logged - now <= EVERY, (logged, now)
    reached = now
assert os.WEXITSTATUS(status) == 0
print(kills, reached)
"""


@pytest.mark.slow
def test_twenty_kills_at_random_points_lose_at_most_the_steps_since_the_last_checkpoint(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLING, str(tmp_path), "0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills, reached = map(int, done.stdout.split())
    assert kills == 20
    assert 0 < reached < 240
    whole, history = trained(epochs=40)
    finished = torch.load(tmp_path / "done.pt", weights_only=True)
    assert finished["history"] == history
    for name, value in whole.student.state_dict().items():
        assert torch.equal(value, finished["student"][name]), name
