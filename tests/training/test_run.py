"""A run that was interrupted, killed or lost a file goes on as if nothing had happened, bit for bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.request import Request
from tests.data import batches
from tests.training.interrupting import Interrupting, Stops
from tests.training.support import Shuffled, assert_same, objective, trained

ROOT = Path(__file__).parent.parent.parent


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


def test_a_run_that_was_interrupted_while_it_measured_measures_the_network_as_it_then_was(tmp_path):
    class Asked(type(objective())):
        def set_progress(self, progress):
            self.asked.append(progress)
            return {}

    class Stopping(list):
        def __iter__(self):
            yield from super().__iter__()
            raise KeyboardInterrupt

    def run(validate, resume):
        made = objective()
        made.__class__, made.asked = Asked, []
        config = DistillConfig(epochs=1, lr=0.02)
        request = Request(train=Shuffled(), validate=validate, config=config, checkpoint=tmp_path / "c.pt",
                          resume=resume, show_progress=False)  # fmt: skip
        return made, train(made, request)

    with pytest.raises(KeyboardInterrupt):
        run(Stopping(batches(2)), resume=False)
    assert load_checkpoint(tmp_path / "c.pt")["position"]["consumed"] == 6
    resumed, _ = run(batches(2), resume=True)
    assert resumed.asked == [5 / 6]


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


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from rdpass.training.checkpoint import load_checkpoint
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.request import Request
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
