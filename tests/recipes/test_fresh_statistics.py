"""Statistics of a student that changed until its training's end."""

import pytest
import torch
from torch import nn

import rdpass
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request
from tests.data import batches
from tests.models import seeded, small_resnet
from tests.recipes.nets import EXAMPLE


def plain_net():
    return seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)))


def statistics(norm):
    return norm.running_mean.clone(), norm.running_var.clone(), norm.num_batches_tracked.clone()


def request(epochs=1, count=4, **options):
    return Request(train=batches(count), config=DistillConfig(epochs=epochs, **options))


def test_statistics_of_a_network_that_is_no_more_become_those_of_the_training_pictures():
    model = plain_net()
    model[3].momentum = 0.5  # after four steps a sixteenth of the old is left, and after forty nothing
    weights = {name: value.clone() for name, value in model.named_parameters()}
    asked = request()
    refresh_statistics(model, asked, 1.0)
    with torch.no_grad():
        maps = [model[0](x) for x, _ in asked.train]
    assert torch.allclose(model[1].running_mean, torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0), atol=1e-5)
    assert torch.allclose(model[1].running_var, torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0), atol=1e-5)
    assert [norm.momentum for norm in (model[1], model[3])] == [0.1, 0.5]
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize(("share", "fresh"), [(1.0, [True, True]), (0.25, [False, True]), (0.0, [False, False])])
def test_statistics_are_kept_where_enough_steps_were_taken_since_the_last_change(share, fresh):
    model = plain_net()
    model[3].momentum = 0.5
    before = [statistics(norm) for norm in (model[1], model[3])]
    refresh_statistics(model, request(epochs=15), share)  # 60 steps
    after = [statistics(norm) for norm in (model[1], model[3])]
    kept = [all(map(torch.equal, old, new)) for old, new in zip(before, after, strict=True)]
    assert kept == fresh


@pytest.mark.parametrize(("size", "images"), [(1, 3), (4, 9)], ids=["one by one", "one left over"])
def test_a_single_row_counts_where_all_batches_are_one(size, images):
    model, train = plain_net(), batches(3, size)
    asked = Request(train=train, config=DistillConfig(epochs=1, student={"statistics_images": images}))
    refresh_statistics(model, asked, 1.0)
    with torch.no_grad():
        means = [model[0](x).mean((0, 2, 3)) for x, _ in (train if size == 1 else train[:2])]
    assert torch.allclose(model[1].running_mean, torch.stack(means).mean(0), atol=1e-5)


def test_an_iterator_that_was_read_to_its_end_is_not_asked_again():
    made = rdpass.convert(
        seeded(small_resnet), EXAMPLE, recipe="kd", train=iter(batches(3)), config=DistillConfig(epochs=1, batches=3),
        show_progress=False,
    )  # fmt: skip
    assert [outcome.how for outcome in made.outcomes] == ["distilled"] * 3
