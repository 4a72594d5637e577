"""Images are what their files say: sizes, labels, parts that don't meet, and the same batches on every reading."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.research.arms.supervised import rate_at
from benchmarks.research.images import imagenet
from benchmarks.research.images.batches import Batches, shifted
from benchmarks.research.images.cifar import MEAN, STD, VERSIONS, cifar_images, loaders
from benchmarks.research.images.fashion import fashion_images, resized
from benchmarks.research.protocols import SIZES, Protocol
from rdpass.core.errors import ConfigError
from tests.research.conftest import TINY

CIFAR = Protocol(30, 32, 4, 100, 8, 1, 1, data="cifar10")


def cifar_files(root, data, form):
    """40 images to train on and 20 to test, each one colour: its number in the files."""
    version = VERSIONS[data]
    names = [*version.train, version.test]
    rows = 40 // len(version.train)
    for place, name in enumerate(names):
        count = 20 if name == version.test else rows
        numbers = np.arange(count, dtype=np.uint8) + rows * place
        images = np.repeat(numbers[:, None], 3072, axis=1)
        labels = (numbers % version.classes).astype(np.uint8)
        if form == "python":
            told = {b"data": images, version.key: labels.tolist(), b"batch_label": b"x"}
            (root / name).write_bytes(pickle.dumps(told, protocol=2).replace(b"numpy._core", b"numpy.core"))
        else:
            extra = np.zeros((count, version.labels - 1), np.uint8)
            (root / f"{name}.bin").write_bytes(np.hstack([extra, labels[:, None], images]).tobytes())


@pytest.mark.parametrize("form", ["python", "binary"])
@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_both_versions_of_cifar_are_read(data, form, tmp_path):
    cifar_files(tmp_path, data, form)
    image_set = cifar_images(Protocol(30, 32, 4, 100, 8, 1, 1, data=data), 0, tmp_path)
    numbers = (image_set.train.images[:, 0, 0, 0] * STD[0] + MEAN[0]) * 255
    assert torch.equal(numbers.round().long() % VERSIONS[data].classes, image_set.train.labels)
    assert sorted(numbers.round().long().tolist()) != list(range(30))  # drawn from the first 36, not the first 30
    assert len(image_set.train.images) == 30
    assert len(image_set.validation.images) == 4  # the last tenth
    assert len(image_set.test.images) == 20
    assert image_set.classes == VERSIONS[data].classes


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    cifar_files(tmp_path, "cifar10", "python")
    (tmp_path / "test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ConfigError, match=r"os\.system"):
        cifar_images(CIFAR, 0, tmp_path)


@pytest.mark.parametrize("root", [None, "nowhere"])
def test_missing_batches_are_named(root, tmp_path):
    with pytest.raises(ConfigError, match="data_batch_1"):
        cifar_images(CIFAR, 0, tmp_path / root if root else None)


def test_a_broken_file_is_named(tmp_path):
    cifar_files(tmp_path, "cifar10", "binary")
    (tmp_path / "data_batch_3.bin").write_bytes(b"\0" * 100)
    with pytest.raises(ConfigError, match=r"data_batch_3\.bin"):
        cifar_images(CIFAR, 0, tmp_path)


def test_cifar_loaders_are_what_convert_takes(tmp_path, monkeypatch):
    monkeypatch.delenv("CIFAR_ROOT", raising=False)
    with pytest.raises(ConfigError, match="CIFAR_ROOT"):
        loaders()
    cifar_files(tmp_path, "cifar100", "python")
    monkeypatch.setenv("CIFAR_ROOT", str(tmp_path))
    train, held = loaders()
    assert train.batch == 128
    assert len(held[0][1]) == 4


def test_fashion_images_are_drawn_by_the_seed_and_their_parts_do_not_meet():
    first, again, other = (fashion_images(TINY.protocol, seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.labels, other.train.labels)
    assert first.train.images.shape == (64, 1, 14, 14)
    assert len(first.validation.images) == len(first.test.images) == 50
    held = {tuple(image.flatten().tolist()) for image in first.validation.images}
    assert not held & {tuple(image.flatten().tolist()) for image in first.train.images}


def test_fewer_pixels_are_means_and_their_middle():
    images = torch.arange(28.0).repeat(28, 1)[None, None]
    assert torch.equal(resized(images, 28), images)
    assert torch.equal(resized(images, 12)[0, 0, 0], torch.arange(12) * 2 + 2.5)


def test_batches_repeat_after_the_same_seed_whatever_is_drawn_between():
    images = torch.randn(20, 3, 6, 6)
    batches = Batches(images, torch.arange(20), 8, reach=2, border=(0.0, 0.0, 0.0))
    torch.manual_seed(3)
    first = list(batches)
    torch.manual_seed(3)
    again = list(batches)
    assert len(first) == len(batches) == 2
    assert all(torch.equal(a, b) and torch.equal(x, y) for (a, x), (b, y) in zip(first, again, strict=True))


def test_shifted_images_are_crops_of_the_padded_ones():
    images = torch.randn(50, 2, 5, 5)
    moved = shifted(images, 1, (7.0, -7.0))
    padded = torch.nn.functional.pad(images, [1] * 4)
    padded[:, 0] += 7.0 * (torch.nn.functional.pad(torch.ones(5, 5), [1] * 4) == 0)
    padded[:, 1] -= 7.0 * (torch.nn.functional.pad(torch.ones(5, 5), [1] * 4) == 0)
    crops = [padded[:, :, top : top + 5, left : left + 5] for top in range(3) for left in range(3)]
    found = torch.stack([torch.isclose(moved, crop, atol=1e-5).all((1, 2, 3)) for crop in crops])
    assert found.any(0).all()
    assert (found.sum(1) > 0).sum() > 4  # most places occur


def test_imagenet_folders_become_normalised_images(tmp_path, monkeypatch):
    for part in ("train", "val"):
        for label, colour in (("n01", (255, 0, 0)), ("n02", (0, 0, 255))):
            (tmp_path / part / label).mkdir(parents=True)
            Image.new("RGB", (40, 30), colour).save(tmp_path / part / label / "a.JPEG")
    for part, augment in (("train", True), ("val", False)):
        data = imagenet.folders(tmp_path, part, augment, pixels=16)
        assert [label for _, label in (data[0], data[1])] == [0, 1]
        red = data[0][0]
        assert red.shape == (3, 16, 16)
        wanted = [((1.0 if c == 0 else 0.0) - imagenet.MEAN[c]) / imagenet.STD[c] for c in range(3)]
        assert red.mean((1, 2)).tolist() == pytest.approx(wanted, abs=0.05)
    monkeypatch.setenv("IMAGENET_ROOT", str(tmp_path))
    train, held = imagenet.loaders()
    assert len(train.dataset) == len(held.dataset) == 2
    with pytest.raises(ConfigError, match="no images"):
        imagenet.folders(tmp_path, "test", False)


def test_training_crops_stay_inside_and_differ():
    image = Image.fromarray(np.tile(np.arange(60, dtype=np.uint8)[None, :, None], (50, 1, 3)))
    torch.manual_seed(0)
    crops = [np.asarray(imagenet.random_crop(image, 8)) for _ in range(20)]
    assert all(crop.shape == (8, 8, 3) and crop.max() <= 59 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) > 10


def test_the_sources_learning_rate_falls_in_steps_and_ours_by_a_cosine():
    source = SIZES["source"].protocol
    assert [round(rate_at(step, 200, source), 6) for step in (0, 99, 100, 150)] == [0.1, 0.1, 0.01, 0.001]
    ours = SIZES["reduced"].protocol
    assert rate_at(99, 100, ours) < 0.001 < rate_at(50, 100, ours) < rate_at(10, 100, ours)


def test_a_size_on_other_images_keeps_its_schedule():
    size = SIZES["reduced"].on("cifar10")
    assert (size.protocol.data, size.protocol.pixels, size.shrunk) == ("cifar10", 32, 32)
    assert size.protocol.epochs == SIZES["reduced"].protocol.epochs
