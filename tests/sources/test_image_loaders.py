import numpy as np
import pytest
import torch
from torch import nn

import rdpass
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.core.images import read_image
from rdpass.training.generators import Stream
from rdpass.training.loading import read_batches
from tests.data import photographs
from tests.models import small_resnet_of_four


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("photos"), {"a": 10, "b": 10, "c": 10})


def epoch(loader, *seeds):
    return list(read_batches(loader, "training", Stream(*seeds)))


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(x, y) and torch.equal(m, n) for (x, m), (y, n) in zip(one, other, strict=True)
    )


def test_one_seed_gives_one_order_and_one_variation_another_epoch_others(photos):
    for augment in ("none", "crop", "light", "trivialaugment"):
        train, _ = rdpass.image_loaders(photos, 8, batch_size=5, augment=augment)
        first = epoch(train, 0, 1)
        assert same(first, epoch(train, 0, 1))
        assert not same(first, epoch(train, 0, 2))
        assert [len(labels) for _, labels in first] == [5] * 4  # 24 images; what is not full is left out
        assert (first[0][0].dtype, first[0][0].shape) == (torch.float32, (5, 3, 8, 8))


def test_what_is_held_out_comes_whole_as_it_is_with_its_classes_mixed(photos):
    train, held_out = rdpass.image_loaders(photos, (8, 6), batch_size=4, mean=[0.5], std=[0.25])
    batches = list(held_out)
    assert [len(labels) for _, labels in batches] == [4, 2]
    assert same(batches, list(held_out))
    assert len(set(batches[0][1].tolist())) > 1
    known = {tuple(image.flatten().tolist()): int(label) for x, y in batches for image, label in zip(x, y, strict=True)}
    for path, label in held_out._files:
        image = (read_image(path, 3, (8, 6)) / 255.0 - 0.5) / 0.25
        found = torch.from_numpy(np.float32(image)).permute(2, 0, 1)
        assert known.pop(next(key for key in known if np.allclose(key, found.flatten(), atol=1e-5))) == label
    measured = train.measuring()
    assert (measured.images, sum(len(labels) for _, labels in measured)) == (24, 24)


def test_grey_images_have_one_channel_policies_and_all(photos):
    train, _ = rdpass.image_loaders(photos, 8, channels=1, augment="randaugment", batch_size=24)
    assert next(iter(train))[0].shape == (24, 1, 8, 8)


def test_the_caller_s_generators_are_not_moved_by_a_policy(photos):
    train, _ = rdpass.image_loaders(photos, 8, augment="augmix", batch_size=24)
    torch.manual_seed(0)
    iterator = iter(train)
    next(iterator)
    after = torch.rand(())
    torch.manual_seed(0)
    torch.randperm(24), torch.randint(2**31, ())
    assert after == torch.rand(())


def test_an_image_that_tears_within_a_batch_is_named(photos, tmp_path):
    folder = photographs(tmp_path, {"a": 4, "b": 4}, size=(90, 80))
    whole = (folder / "b" / "2.png").read_bytes()
    (folder / "b" / "2.png").write_bytes(whole[: len(whole) // 2])
    train, _ = rdpass.image_loaders(folder, 8, held_out=0, batch_size=8)
    with pytest.raises(DivergedError, match=r"training loader failed at batch 0: ConfigError: .*b/2.png can't be read"):
        epoch(train, 0, 1)


def test_arguments_that_mean_nothing_are_refused(photos, tmp_path):
    for arguments, said in (
        ({"augment": "heavy"}, "no augmentation 'heavy'; it is one of none, crop, light"),
        ({"channels": 4}, "1 channel .grey. or 3"),
        ({"mean": [0.5, 0.5]}, "2 means and 3 deviations"),
        ({"labels": tmp_path / "gone.txt"}, "the labels .*gone.txt can't be read"),
    ):
        with pytest.raises(ConfigError, match=said):
            rdpass.image_loaders(photos, 8, **arguments)


def test_labels_may_lie_in_a_file(photos, tmp_path):
    (tmp_path / "labels.txt").write_text("c\nb\na\n")
    train, _ = rdpass.image_loaders(photos, 8, labels=tmp_path / "labels.txt")
    assert train.image_settings.labels == ("c", "b", "a")


def test_a_model_of_other_classes_is_refused_before_any_training(photos):
    train, held_out = rdpass.image_loaders(photos, 8)
    example = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ConfigError, match=r"the model tells 4 classes apart, and the images have 3 \(a, b, c\)"):
        rdpass.convert(small_resnet_of_four(), example, train=train)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(ConfigError, match="Sequential tells 4 classes apart"):
        rdpass.evaluate(net, held_out, show_progress=False)
    with pytest.raises(ConfigError, match="the network tells 4 classes apart"):
        rdpass.quantize(small_resnet_of_four(), example, calibrate=train, show_progress=False)
