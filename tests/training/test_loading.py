"""A user's loader: its length held to, its failures named, its random numbers its own."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.config import DistillConfig
from rdpass.training.generators import Stream
from rdpass.training.loading import Loading, read_batches
from tests.data import batches
from tests.training.interrupting import Interrupting
from tests.training.support import Shuffled, assert_same, trained


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


def test_a_generator_trains_but_is_not_resumed(tmp_path):
    endless = (batch for _ in range(9) for batch in batches(2, 8))
    _, history = trained(endless, batches=3)
    assert len(history) == 2
    trained(checkpoint=tmp_path / "c.pt")
    with pytest.raises(ConfigError, match="can't be read again"):
        trained(iter(batches()), batches=3, checkpoint=tmp_path / "c.pt", resume=True)


class Failing:
    def __init__(self, length, gives, error=None):
        self.length, self.gives, self.error = length, gives, error

    def __len__(self):
        return self.length

    def __iter__(self):
        yield from batches(self.gives, 8)
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (Failing(8, 3, OSError("disk gone")), "training loader failed at batch 3: OSError: disk gone"),
        (Failing(8, 3), "gave 3 batches where its length says 8"),
        (Failing(3, 8), "gave more batches than the 3 its length says"),
        (Failing(0, 0), "empty"),
    ],
    ids=["fails", "short", "long", "empty"],
)
def test_a_loader_that_fails_or_breaks_its_word_is_named_with_the_batch(loader, message):
    with pytest.raises(DivergedError, match=message):
        trained(loader)


def test_an_epoch_gives_indices_and_can_be_entered_in_the_middle_with_the_same_numbers():
    loading = Loading(Shuffled(), DistillConfig(seed=3))
    whole = list(loading.epoch(1))
    rest = list(loading.epoch(1, skip=4))
    assert [index for index, _ in whole] == list(range(6))
    assert [index for index, _ in rest] == [4, 5]
    for (_, (images, _)), (_, (again, _)) in zip(whole[4:], rest, strict=True):
        assert torch.equal(images, again)
    other = [images for _, (images, _) in loading.epoch(2)]
    assert any(not torch.equal(images, x) for (_, (images, _)), x in zip(whole, other, strict=True))


def test_an_epoch_may_be_shorter_than_the_loader_and_a_sampler_is_told_its_number():
    told = []
    loader = DataLoader(TensorDataset(torch.arange(12.0)), 2)
    loader.sampler.set_epoch = told.append
    loading = Loading(loader, DistillConfig(batches=4))
    assert loading.length == 4
    assert len(list(loading.epoch(7))) == 4
    assert told == [7]


def test_generators_of_the_loader_and_its_sampler_are_found_once():
    generator = torch.Generator()
    loader = DataLoader(TensorDataset(torch.arange(12.0)), 2, shuffle=True, generator=generator)
    assert Loading(loader, DistillConfig()).generators() == [generator]
    assert Loading(batches(2), DistillConfig()).generators() == []


def test_a_distributed_sampler_shares_out_by_itself():
    data = TensorDataset(torch.arange(12.0))
    sampler = DistributedSampler(data, num_replicas=2, rank=0)
    assert Loading(DataLoader(data, 2, sampler=sampler), DistillConfig()).is_shared_out()
    assert not Loading(DataLoader(data, 2), DistillConfig()).is_shared_out()


class Drawing:
    def __iter__(self):
        yield torch.randn(2)
        yield np.random.rand(2)


def test_what_a_loader_draws_from_a_stream_is_the_same_each_time_and_nothing_is_drawn_outside():
    before = torch.get_rng_state()
    (first, a), (second, b) = (list(read_batches(Drawing(), "test", Stream(0, 0, 2))) for _ in range(2))
    assert torch.equal(first, second)
    assert (a == b).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failure_names_the_data_and_the_batch():
    def failing():
        yield torch.zeros(1)
        raise OSError("unplugged")

    with pytest.raises(DivergedError, match="the test loader failed at batch 1: OSError: unplugged"):
        list(read_batches(failing(), "test"))
