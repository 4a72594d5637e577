"""Random generators: read, set, and kept apart."""

import random

import numpy as np
import pytest
import torch

from rdpass.training.generators import Stream, kept_generators, read_generators, seed_generators, set_generators
from tests.training.support import assert_same, objective, trained


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


def drawn():
    return torch.rand(2).tolist(), random.random(), np.random.rand()


def test_generators_are_put_back_where_they_were_read():
    seed_generators(1)
    state = read_generators()
    first = drawn()
    assert drawn() != first
    set_generators(state)
    assert drawn() == first


def test_a_state_goes_through_a_checkpoint(tmp_path):
    seed_generators(7)
    drawn()
    torch.save(read_generators(), tmp_path / "state.pt")
    wanted = drawn()
    set_generators(torch.load(tmp_path / "state.pt", weights_only=True))
    assert drawn() == wanted


def test_every_combination_of_seeds_is_a_stream_of_its_own():
    found = set()
    for seeds in ((0,), (1,), (0, 1), (1, 0), (0, 1, 2), (0, 12)):
        seed_generators(*seeds)
        found.add(str(drawn()))
    assert len(found) == 6


def test_what_is_drawn_from_a_stream_moves_no_other_and_goes_on_where_it_was():
    seed_generators(3)
    outside = read_generators()
    stream, again = Stream(5, 1), Stream(5, 1)
    with stream:
        first = drawn()
    with stream:
        second = drawn()
    with again:
        both = drawn(), drawn()
    assert both == (first, second)
    set_generators(outside)
    wanted = drawn()
    set_generators(outside)
    with stream:
        drawn()
    assert drawn() == wanted


def test_generators_are_kept_when_a_block_fails():
    seed_generators(3)
    wanted = drawn()
    seed_generators(3)

    def failing():
        with kept_generators():
            drawn()
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        failing()
    assert drawn() == wanted
