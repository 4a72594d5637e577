"""The images that statistics are taken from: those of the first epoch, as many as asked for, and only finite ones."""

import pytest
import torch
from torch import nn

from rdpass.core.errors import DivergedError
from rdpass.recipes.statistics import first_inputs
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request
from tests.data import batches

NET = nn.Conv2d(3, 4, 3)


def rows(found):
    return [len(inputs[0]) for inputs in found]


@pytest.mark.parametrize(
    ("images", "expected"), [(1, [1]), (16, [16]), (17, [16, 1]), (40, [16, 16, 8]), (1000, [16, 16, 16])]
)
def test_as_many_rows_as_asked_for_or_all_there_are(images, expected):
    given = batches(3)
    found = list(first_inputs(NET, Request(train=given), images))
    assert rows(found) == expected
    assert torch.equal(torch.cat([x for (x,) in found]), torch.cat([x for x, _ in given])[: sum(expected)])


def test_labels_are_no_inputs_and_no_generator_moves():
    before = torch.get_rng_state()
    (inputs,) = first_inputs(NET, Request(train=batches(1)), 16)
    assert [x.shape for x in inputs] == [(16, 3, 8, 8)]
    assert torch.equal(torch.get_rng_state(), before)


def test_no_more_batches_are_read_than_are_needed():
    read = []

    def loader():
        for batch in batches(5):
            read.append(len(read))
            yield batch

    assert rows(first_inputs(NET, Request(train=loader(), config=DistillConfig(batches=5)), 20)) == [16, 4]
    assert read == [0, 1]


def test_a_batch_that_is_not_finite_is_left_out_where_the_training_leaves_it_out_and_else_refused():
    given = batches(3)
    given[1][0][0, 0, 0, 0] = float("nan")
    rollback = Request(train=given, config=DistillConfig(on_nan="rollback"))
    assert torch.equal(
        torch.cat([x for (x,) in first_inputs(NET, rollback, 99)]), torch.cat([given[0][0], given[2][0]])
    )
    with pytest.raises(DivergedError, match="batch 1 holds inputs that are not finite"):
        list(first_inputs(NET, Request(train=given), 99))
