"""The same training on a GPU; skipped where there is none."""

from __future__ import annotations

import copy

import pytest
import torch

import rdpass
from rdpass.training.config import DistillConfig
from tests.data import batches
from tests.models import basic_block, bottleneck, classifier, seeded
from tests.training.support import distance, network, objective, trained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
RECIPES = ("migrate", "anneal", "joint", "kd", "plain")
BLOCKS = {"basic": lambda: basic_block(8, 8), "bottleneck": lambda: bottleneck(8, 4)}


def converted(recipe, block, **settings):
    teacher = seeded(
        lambda: classifier(basic_block(3, 8, stride=2), BLOCKS[block](), BLOCKS[block](), classes=4, channels=8)
    ).eval()
    before = copy.deepcopy(teacher.state_dict())
    config = DistillConfig(epochs=2, device="cuda", **settings)
    result = rdpass.convert(
        teacher, torch.zeros(1, 3, 8, 8), recipe=recipe, train=batches(), config=config, show_progress=False
    )
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    return result


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_trained_recipe_ends_plain_finite_and_on_the_cpu(recipe, block):
    result = converted(recipe, block)
    assert all(outcome.how == "distilled" for outcome in result.outcomes)
    assert {value.device.type for value in result.student.state_dict().values()} == {"cpu"}
    assert torch.isfinite(result.student(batches(1)[0][0])).all()


def test_a_gpu_learns_what_a_cpu_learns_within_its_arithmetic():
    there, on_gpu = trained(batches(), of=objective(network(0.0)), epochs=3, device="cuda")
    here, on_cpu = trained(batches(), of=objective(network(0.0)), epochs=3)
    assert distance(there, here) < 0.05 * distance(here, objective(network(0.0)))
    assert on_gpu[-1]["loss"] == pytest.approx(on_cpu[-1]["loss"], rel=0.02)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_on_a_gpu_learns_the_same_within_its_accuracy(amp):
    exact, _ = trained(batches(), of=objective(network(0.0)), epochs=3, device="cuda")
    mixed, history = trained(batches(), of=objective(network(0.0)), epochs=3, device="cuda", amp=amp)
    assert 0 < distance(exact, mixed) < 0.5 * distance(exact, objective(network(0.0)))
    assert history[-1]["loss"] > 0


def test_a_run_interrupted_on_a_gpu_goes_on_to_nearly_the_same_weights(tmp_path):
    """Nearly: its convolutions add in whatever order is fastest. Dropout draws from the GPU's generator."""

    class Stopping:
        def __init__(self, after):
            self.left, self.made = after, batches()

        def __len__(self):
            return len(self.made)

        def __iter__(self):
            for batch in self.made:
                if self.left == 0:
                    raise KeyboardInterrupt
                self.left -= 1
                yield batch

    whole, _ = trained(Stopping(-1), epochs=2, device="cuda")
    with pytest.raises(KeyboardInterrupt):
        trained(Stopping(11), epochs=2, device="cuda", checkpoint=tmp_path / "state.pt")
    resumed, _ = trained(Stopping(-1), epochs=2, device="cuda", checkpoint=tmp_path / "state.pt", resume=True)
    assert distance(whole, resumed) < 0.05 * distance(whole, objective())
