import numpy as np
import pytest
import torch

from rdpass.core.errors import ConfigError, DivergedError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.sources.samples import as_loader, hold_out, read_samples, with_tensors

ONE = (TensorSpec("x", (1, 3, 4, 4), "float32"),)
TWO = (TensorSpec("x", (2, 3, 4, 4), "float32"),)


def batch(rows, seed=0, size=4):
    return torch.randn(rows, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_rows_of_a_loader_come_one_by_one_with_their_labels():
    loader = [(batch(3), torch.tensor([1, 2, 3])), (batch(2, 1), torch.tensor([4, 5]))]
    samples = read_samples(loader, ONE, 100, "calibration")
    assert samples.rows == 5
    assert samples.labels.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(samples.feeds[3][0], loader[1][0][:1].numpy())


def test_batches_have_the_models_size_and_a_last_one_that_is_smaller_is_left_out():
    samples = read_samples([batch(3), batch(4, 1)], TWO, 100, "calibration")
    assert [feed[0].shape for feed in samples.feeds] == [(2, 3, 4, 4)] * 3
    assert samples.labels is None
    with pytest.raises(ConfigError, match="the calibration data hold 1 rows, and the model takes 2 at once"):
        read_samples([batch(1)], TWO, 100, "calibration")


def test_no_more_is_read_than_asked_for():
    def endless():
        while True:
            yield batch(2)

    assert read_samples(endless(), ONE, 5, "calibration").rows == 5
    assert read_samples(endless(), TWO, 5, "calibration").rows == 6


def test_an_array_is_a_loader_of_one_batch():
    numbers = batch(4)
    for given in (numbers, numbers.numpy(), [numbers.numpy()], [(numbers.numpy(), np.arange(4))]):
        assert read_samples(given, ONE, 3, "calibration").rows == 3


def test_several_inputs_keep_their_order():
    specs = (*ONE, TensorSpec("y", (1, 2), "int64"))
    samples = read_samples([[batch(2), torch.zeros(2, 2, dtype=torch.long)]], specs, 9, "calibration")
    assert [x.shape for x in samples.feeds[0]] == [(1, 3, 4, 4), (1, 2)]


def test_what_does_not_fit_is_named():
    with pytest.raises(
        ConfigError, match="batch 1 of the validation data: rows of 'x' are 3x5x5, and the model takes 3x4x4"
    ):
        read_samples([batch(2), batch(2, size=5)], ONE, 9, "validation")
    with pytest.raises(ConfigError, match="'x' is of type uint8, and the model takes float32"):
        read_samples([torch.zeros(2, 3, 4, 4, dtype=torch.uint8)], ONE, 9, "validation")
    with pytest.raises(DivergedError, match="batch 0 is not"):
        read_samples(["images"], ONE, 9, "validation")


def test_targets_that_are_no_classes_are_no_labels():
    assert read_samples([(batch(2), torch.randn(2))], ONE, 9, "validation").labels is None
    assert read_samples([(batch(2), {"boxes": torch.zeros(2)})], ONE, 9, "validation").labels is None


def test_one_in_four_is_held_out():
    samples = read_samples([(batch(10), torch.arange(10))], ONE, 10, "calibration")
    calibration, validation = hold_out(samples)
    assert calibration.labels.tolist() == [0, 1, 2, 4, 5, 6, 8, 9]
    assert validation.labels.tolist() == [3, 7]
    assert [len(part.first(2).feeds) for part in (calibration, validation)] == [2, 2]
    assert calibration.first(2).labels.tolist() == [0, 1]
    two = read_samples([batch(2)], ONE, 10, "calibration")
    assert [part.rows for part in hold_out(two)] == [1, 1]
    with pytest.raises(ConfigError, match="one batch can't both calibrate and validate"):
        hold_out(two.first(1))


def test_what_the_loader_draws_is_repeated_and_nobody_elses_numbers_change():
    class Shuffled:
        def __iter__(self):
            yield torch.randn(3, 3, 4, 4)

    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second = (read_samples(Shuffled(), ONE, 3, "calibration") for _ in range(2))
    np.testing.assert_array_equal(first.feeds[0][0], second.feeds[0][0])
    assert (torch.random.get_rng_state() == before).all()


def test_an_array_is_one_batch_and_numpys_numbers_are_torchs_wherever_they_stand():
    array = np.zeros((3, 2), np.float32)
    (given,) = as_loader(array)
    assert given is array
    loader = [array]
    assert as_loader(loader) is loader
    images, boxes = with_tensors((array, {"boxes": [array], "name": "a"}))
    assert torch.equal(images, torch.zeros(3, 2))
    assert torch.equal(boxes["boxes"][0], images)
    assert boxes["name"] == "a"


def test_a_network_without_inputs_has_no_use_for_data():
    with pytest.raises(ConfigError, match="takes no inputs"):
        read_samples([batch(1)], (), 100, "calibration")
