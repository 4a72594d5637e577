"""A user's loader: its length held to, its failures named, its random numbers its own."""

import ast

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.training.checkpoint import load_checkpoint
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


class Stateful:
    """Goes on where it stood; its order comes from a generator that its state alone has. ``read``: all it gave."""

    def __init__(self, count=6, at=-1):
        self.made, self.read, self.left = batches(count, 8), [], at
        self.order, self.position, self._own = [], 0, np.random.Generator(np.random.PCG64(5))

    def __len__(self):
        return len(self.made)

    def __iter__(self):
        if not self.order:
            self.order = self._own.permutation(len(self.made)).tolist()
        while self.position < len(self.made):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            images, labels = self.made[self.order[self.position]]
            self.position += 1
            self.read.append(self.position)
            yield images + 0.1 * torch.randn(images.shape), labels
        self.order, self.position = [], 0

    def state_dict(self):
        return {"order": self.order, "position": self.position, "generator": str(self._own.bit_generator.state)}

    def load_state_dict(self, state):
        self.order, self.position = list(state["order"]), state["position"]
        self._own.bit_generator.state = ast.literal_eval(state["generator"])


@pytest.mark.parametrize(("at", "accumulate"), [(4, 1), (6, 1), (9, 4), (11, 1)])
def test_a_loader_that_says_where_it_stands_goes_on_there_bit_for_bit_and_reads_nothing_twice(tmp_path, at, accumulate):
    whole, history = trained(Stateful(), epochs=3, accumulate=accumulate)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(Stateful(at=at), epochs=3, checkpoint=path, accumulate=accumulate)
    done = load_checkpoint(path)["position"]
    loader = Stateful()
    resumed, again = trained(loader, epochs=3, checkpoint=path, resume=True, accumulate=accumulate)
    assert len(loader.read) == 18 - 6 * done["epoch"] - done["consumed"]
    assert again == history
    assert_same(whole, resumed)


def test_an_epoch_that_is_cut_short_begins_anew_after_a_resume_too(tmp_path):
    loader = Stateful(6)
    loading = Loading(loader, DistillConfig(batches=4))
    next(left := loading.epoch(0))
    assert loading.place()["loader"]["position"] == 1
    assert len(list(left)) == 3
    assert loading.place() is None


def test_a_loaders_own_generator_is_put_where_it_stood(tmp_path):
    loader = Stateful()
    loader.generator = torch.Generator().manual_seed(1)
    loading = Loading(loader, DistillConfig())
    next(loading.epoch(0))
    place, wanted = loading.place(), torch.rand(3, generator=loader.generator)
    list(loading.epoch(0, 1, place))
    assert torch.equal(torch.rand(3, generator=loader.generator), wanted)


def test_a_state_that_is_no_data_is_told_and_the_epoch_is_read_again(tmp_path, caplog):
    class Opaque(Stateful):
        def state_dict(self):
            return {"itself": self}

    with pytest.raises(KeyboardInterrupt):
        trained(Opaque(at=4), checkpoint=tmp_path / "c.pt")
    assert [record.message.count("a resume reads the epoch again") for record in caplog.records] == [1]
    assert "places" not in load_checkpoint(tmp_path / "c.pt")
    loader = Opaque()
    trained(loader, checkpoint=tmp_path / "c.pt", resume=True)
    assert len(loader.read) == 12


def test_a_loader_that_fails_at_its_state_is_named(tmp_path):
    class Failing(Stateful):
        def state_dict(self):
            raise OSError("gone")

    with pytest.raises(DivergedError, match="training loader failed where it was asked for its state: OSError: gone"):
        trained(Failing(), checkpoint=tmp_path / "c.pt")
    trained(Failing())  # nobody asks where nothing is kept


def test_torchdatas_loader_goes_on_in_the_middle_of_an_epoch(tmp_path):
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    images, labels = (torch.cat(parts) for parts in zip(*batches(6, 8), strict=True))
    read = []

    class Counted(TensorDataset):
        def __getitem__(self, index):
            read.append(index)
            if len(read) == stop:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    def loader():
        return stateful(Counted(images, labels), 8, shuffle=True)

    stop, path = -1, tmp_path / "checkpoint.pt"
    whole, history = trained(loader())
    read.clear()
    stop = 70  # in the ninth batch
    with pytest.raises(KeyboardInterrupt):
        trained(loader(), checkpoint=path)
    read.clear()
    stop = -1
    resumed, again = trained(loader(), checkpoint=path, resume=True)
    assert len(read) == 4 * 8
    assert again == history
    assert_same(whole, resumed)
